"""run.c of llama2.c, compiled here, with model.bin and tokenizer.bin."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from consumers.consumer import Array, Windows, checkout

PROBE = Path(__file__).with_name("llama2c_probe.c")
BOS_ID = 1


class Llama2C:
    """Its two files.

    Args:
        source: a checkout of llama2.c.
        model: model.bin.
        words: tokenizer.bin.
        scratch: where the programs are compiled.
        order: the id of ours for each of its ids, and its first id for each of ours; None: they
            are the same.
        text_prefix: the space that it puts in front of every text, where the tokenizer of the
            model that it is compared with does not.
    """

    scores_are_normalized = False
    n_reserved = 0

    def __init__(
        self,
        source: Path,
        model: Path,
        words: Path,
        scratch: Path,
        *,
        order: Sequence[int] | None = None,
        text_prefix: str = "",
    ) -> None:
        self.name = checkout("llama2.c", source)
        self.text_prefix = text_prefix
        self.model, self.words = model, words
        self.order = None if order is None else np.array(order)
        self.n_ids = int(np.abs(np.fromfile(model, np.int32, 6)[5]))
        self.probe, self.program = (
            compiled(program, source, scratch) for program in (PROBE, source / "run.c")
        )

    def run(self, what: str, data: bytes) -> bytes:
        """What the probe prints for its input."""
        command = [self.probe, what, self.model, self.words]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = [text.encode() for text in texts]
        data = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
        out = np.frombuffer(self.run("ids", data), np.int32)
        found, at = [], 0
        while at < len(out):
            theirs = out[at + 1 : at + 1 + out[at]]
            found.append((theirs if self.order is None else self.order[theirs]).tolist())
            at += 1 + out[at]
        return found

    def scores(self, windows: Windows) -> Iterator[Array]:
        theirs = windows
        if self.order is not None:
            number = {ours: i for i, ours in reversed(list(enumerate(self.order.tolist())))}
            theirs = [[BOS_ID, *(number[i] for i in window[1:])] for window in windows]
        data = b"".join(
            struct.pack("<I", len(ids)) + np.array(ids, np.int32).tobytes() for ids in theirs
        )
        out, at = np.frombuffer(self.run("logits", data), np.float32), 0
        for ids in theirs:
            logits = out[at : at + len(ids) * self.n_ids].reshape(len(ids), self.n_ids)
            at += len(ids) * self.n_ids
            if self.order is None:
                yield logits
                continue
            ordered = np.full((len(ids), self.order.max() + 1), -np.inf, np.float32)
            ordered[:, self.order[::-1]] = logits[:, ::-1]
            yield ordered

    def continuation(self, prompt: str, n_tokens: int) -> str:
        """By the program itself; its count includes the prompt."""
        n_steps = len(self.ids([prompt])[0]) + n_tokens
        command = [self.program, self.model, "-z", self.words, "-t", "0", "-n", str(n_steps)]
        out = subprocess.run([*command, "-i", prompt], capture_output=True, check=True)
        return out.stdout.decode("utf-8", "replace").removesuffix("\n")


def compiled(program: Path, source: Path, scratch: Path) -> Path:
    """A program in C that may include the files of the checkout."""
    out = scratch / program.stem
    if not out.exists():
        flags = ["-O3", "-march=native", "-I", str(source)]
        subprocess.run(["cc", *flags, "-o", out, program, "-lm"], check=True)
    return out
