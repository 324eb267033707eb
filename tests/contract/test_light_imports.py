"""What costs nothing must stay so: importing `slm`, asking it for help, and telling a story."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.fixtures.make_fixtures import HERE

BLOCKED = ("torch", "datasets", "matplotlib", "transformers", "tokenizers", "tiktoken", "pyarrow")

BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise AssertionError(f"{{name}} was imported")

sys.meta_path.insert(0, Blocker())
"""
HELP = """
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


STORY = """
from slm.cli import main
words = ["generate", "--device", "cpu", "--seed", "1", "--checkpoint", sys.argv[1], "One day"]
for more in ([], ["-n", "3", "--repetition-penalty", "1.5"], ["--dtype", "int8"]):
    assert main([*words, *more]) == 0
import pathlib, slm.checkpoint.builtin
slm.checkpoint.builtin._DIRECTORY = pathlib.Path(sys.argv[2])
assert main(["generate", "--device", "cpu", "One day"]) == 0
"""
"""On a machine with a GPU PyTorch would be asked for it, hence the device."""


def test_help_and_configuration_need_no_heavy_package():
    outcome = subprocess.run(
        [sys.executable, "-c", BLOCKER + HELP], capture_output=True, encoding="utf-8", check=False
    )

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.endswith("blocked\n")


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_a_story_on_a_cpu_needs_no_pytorch() -> None:
    """Which is why its first word comes within a second."""
    run = HERE / "v1" / "run"
    allowed = BLOCKER.replace("'tokenizers', 'tiktoken', ", "")
    assert "tiktoken" not in allowed
    outcome = subprocess.run(
        [sys.executable, "-c", allowed + STORY, str(run), str(HERE / "int8")],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("One day") == 6
    assert "using the built-in model" in outcome.stderr
