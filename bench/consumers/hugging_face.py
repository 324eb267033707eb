"""transformers, and its tokenizers, with a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import transformers

from consumers.consumer import Array, Windows, package


class Transformers:
    """A folder in float32.

    Args:
        folder: the folder.
        begins_with: the id that begins every text here; it is put in front of a prompt where the
            folder's tokenizer does not do that, as GPT-2's.
    """

    scores_are_normalized = False
    text_prefix = ""
    n_reserved = 0

    def __init__(self, folder: Path, begins_with: int) -> None:
        self.begins_with = begins_with
        self.name = package("transformers")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32
        ).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        plain = self.tokenizer.backend_tokenizer
        plain.encode_special_tokens = True  # as for us, where text never gives an end of text
        found = plain.encode_batch(list(texts), add_special_tokens=False)
        plain.encode_special_tokens = False
        return [encoding.ids for encoding in found]

    def scores(self, windows: Windows) -> Iterator[Array]:
        for window in windows:
            with torch.inference_mode():
                yield self.model(torch.tensor([window])).logits[0].numpy()

    def continuation(self, prompt: str, n_tokens: int) -> str:
        ids = self.tokenizer(prompt)["input_ids"]
        if ids[0] != self.begins_with:
            ids = [self.begins_with, *ids]
        tensor = torch.tensor([ids])
        written = self.model.generate(
            tensor,
            attention_mask=torch.ones_like(tensor),
            max_new_tokens=n_tokens,
            do_sample=False,
        )[0]
        text: str = self.tokenizer.decode(written, skip_special_tokens=True)
        return text
