"""nanoGPT's model with a ckpt.pt, and its characters in meta.pkl."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tiktoken
import torch

from consumers.consumer import Array, Windows, checkout, until
from slm.interop.plain_pickle import loads


class NanoGPT:
    """A folder with ckpt.pt, and meta.pkl where the model has characters.

    Its own models have no token that begins a text: an import gives that the embedding of the line
    break, so ids that it does not have are read as a line break here.

    Args:
        source: a checkout of nanoGPT.
        folder: the folder.
        bos_id: begins a text.
        eot_id: ends a text; nanoGPT itself writes on.
    """

    scores_are_normalized = False
    text_prefix = ""
    n_reserved = 0

    def __init__(self, source: Path, folder: Path, *, bos_id: int, eot_id: int) -> None:
        self.name = checkout("nanoGPT", source)
        self.bos_id, self.eot_id = bos_id, eot_id
        sys.path.insert(0, str(source))
        theirs = importlib.import_module("model")
        stored = torch.load(folder / "ckpt.pt", weights_only=True)
        self.model = theirs.GPT(theirs.GPTConfig(**stored["model_args"])).eval()
        weights = {
            name.removeprefix("_orig_mod."): values for name, values in stored["model"].items()
        }
        self.model.load_state_dict(weights)
        meta: Any = None
        if (folder / "meta.pkl").exists():
            meta = loads((folder / "meta.pkl").read_bytes())
        self.id_of = None if meta is None else meta["stoi"]
        self.character_of = None if meta is None else meta["itos"]

    def ids(self, texts: Sequence[str]) -> Sequence[list[int] | None]:
        """As sample.py encodes a prompt; it stops at a character that it does not have."""
        if self.id_of is None:
            return tiktoken.get_encoding("gpt2").encode_ordinary_batch(list(texts))
        known = self.id_of
        return [
            [known[letter] for letter in text] if known.keys() >= set(text) else None
            for text in texts
        ]

    def scores(self, windows: Windows) -> Iterator[Array]:
        for window in windows:
            ids = self.known(window)
            with torch.inference_mode():
                yield self.model(ids, targets=ids)[0][0].numpy()

    def known(self, ids: Sequence[int]) -> torch.Tensor:
        """[1, T] ids that the model has."""
        n_ids = self.model.config.vocab_size
        line_break = 0 if self.id_of is None else self.id_of.get("\n", 0)
        return torch.tensor([[i if i < n_ids else line_break for i in ids]])

    def continuation(self, prompt: str, n_tokens: int) -> str:
        (found,) = self.ids([prompt])
        assert found is not None
        ids = [self.bos_id, *found]
        written = self.model.generate(self.known(ids), n_tokens, top_k=1)[0].tolist()
        new = until(written[len(ids) :], self.eot_id)
        if self.character_of is None:
            return prompt + tiktoken.get_encoding("gpt2").decode(new)
        return prompt + "".join(self.character_of[i] for i in new)
