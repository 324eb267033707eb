"""Training programs of others run unchanged, and their model is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import observed
import pytest
from race_meter import HeldOut, reading_of, write_held_out

MODEL = """
import torch

class GPT(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.table = torch.nn.Embedding(size, size)
        torch.nn.init.zeros_(self.table.weight)

    def forward(self, x, targets):
        logits = self.table(x)
        return logits, torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
"""
TRAIN = """
import sys
import torch
from model import GPT

assert __name__ == "__main__"
other = GPT(3)
model = GPT(4)
optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
second = torch.optim.SGD(other.parameters(), lr=1.0)
for step in range(int(sys.argv[1])):
    x = torch.tensor([[0, 1, 2, 3]])
    model(x, (x + 1) % 4)[1].backward()
    optimizer.step()
    optimizer.zero_grad()
    second.step()
print("trained", step + 1)
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "train.py").write_text(TRAIN)
    text = HeldOut([([0, 1, 2, 3, 0], 0)], 2)
    write_held_out(tmp_path / "held-out.json", text, text)
    return tmp_path


def run(program, *options, words=("train.py", "20", "0")):
    script = Path(observed.__file__).resolve()
    held_out = ["--held-out", str(program / "held-out.json"), "--every", "1e-9"]
    return subprocess.run(
        [sys.executable, script, "--racer", "nanogpt", *held_out, *options, "--", *words],
        cwd=program,
        capture_output=True,
        encoding="utf-8",
    )


def test_a_program_is_measured_after_each_step(program):
    ran = run(program, "--minutes", "5")
    assert ran.returncode == 0, ran.stderr
    assert "trained 20" in ran.stdout
    found = [reading for line in ran.stdout.splitlines() if (reading := reading_of(line))]
    # 19 steps before the last one; then the sample, and all.
    assert [reading.of_all for reading in found] == [False] * 20 + [True]
    assert found[0].bits < 4.0  # of four tokens with two bits each, in two bytes
    assert found[-1].bits < found[0].bits / 2


def test_a_program_ends_with_the_race(program):
    ran = run(program, "--minutes", "1e-9")
    assert ran.returncode == 0, ran.stderr
    assert "trained" not in ran.stdout
    found = [reading for line in ran.stdout.splitlines() if (reading := reading_of(line))]
    assert [reading.of_all for reading in found][-2:] == [False, True]


def test_a_program_that_fails_fails(program):
    ran = run(program, "--minutes", "5", words=("train.py", "2", "3"))
    assert ran.returncode == 3
    assert "of all" not in ran.stdout


def test_a_program_without_a_model_is_an_error(program):
    (program / "train.py").write_text("print('nothing to do')")
    ran = run(program, "--minutes", "5")
    assert ran.returncode == 1
    assert "has trained no model" in ran.stderr


def test_modules_run_too(program):
    ran = run(program, "--minutes", "5", words=("-m", "train", "2", "0"))
    assert ran.returncode == 0, ran.stderr
    assert "of all" in ran.stdout


def test_a_program_must_be_given(capsys):
    with pytest.raises(SystemExit):
        observed.arguments(["--racer", "nanogpt", "--held-out", "x"])
    assert "after --" in capsys.readouterr().err
