"""What costs nothing must stay so: importing `slm`, and asking it for help."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = ("torch", "datasets", "matplotlib", "transformers", "tokenizers", "tiktoken", "pyarrow")

PROGRAM = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise AssertionError(f"{{name}} was imported")

sys.meta_path.insert(0, Blocker())
import slm, slm.data, slm.tokenizer, slm.data.prepare
from slm.cli import main
for words in (["--help"], ["train", "--help"], ["generate", "--help"], ["--version"]):
    assert main(words) == 0
assert main(["trian"]) == 2
slm.DataLoader(batch_size=2, block_size=4, device="cpu", data_dir="no-such-folder")
slm.get_default_configs()
try:
    slm.GPT
except AssertionError:
    print("blocked")
"""


def test_help_and_configuration_need_no_heavy_package():
    outcome = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, encoding="utf-8", check=False
    )

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.endswith("blocked\n")
