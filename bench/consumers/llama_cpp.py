"""llama.cpp's server with a GGUF file."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp

from consumers.consumer import Array, Windows, package
from slm.bench.baselines.llama_cpp import open_server

EXACT = {
    "cache_type_k": xllamacpp.ggml_type.GGML_TYPE_F32,
    "cache_type_v": xllamacpp.ggml_type.GGML_TYPE_F32,
    "flash_attn_type": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
"""Keys, values and attention in float32; by default the cache is in float16."""


class LlamaCpp:
    """A file in the server.

    Args:
        path: the file.
        positions: of its context.
        vocab_size: how many log-probabilities there are.
        some_letter: an id whose bytes are a whole character, and that does not end a text.
        begins_with: the id that begins every text here; it is put in front of a prompt where the
            file does not say so.
        settings: of the server, such as `EXACT`.
    """

    scores_are_normalized = True
    text_prefix = ""
    n_reserved = 1

    def __init__(
        self,
        path: Path,
        *,
        positions: int,
        vocab_size: int,
        some_letter: int,
        begins_with: int,
        settings: Mapping[str, Any],
    ) -> None:
        self.name = package("xllamacpp")
        self.vocab_size, self.some_letter = vocab_size, some_letter
        self.begins_with = begins_with
        self.server = open_server(path, streams=1, positions=positions, **settings)
        address = urllib.parse.urlsplit(self.server.listening_address)
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def post(self, path: str, **body: Any) -> Any:
        """The answer to a request."""
        for is_last in (False, True):
            try:
                headers = {"Content-Type": "application/json"}
                self.connection.request("POST", path, json.dumps(body), headers)
                response = self.connection.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for too long
                self.connection.close()
                if is_last:
                    raise
        answer = json.load(response)
        if response.status != 200:
            raise RuntimeError(f"llama.cpp: {path}: {answer}")
        return answer

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        options = {"add_special": False, "parse_special": False}
        return [self.post("/tokenize", content=text, **options)["tokens"] for text in texts]

    def scores(self, windows: Windows) -> Iterator[Array]:
        """One request for each position: a prompt's own log-probabilities are not reported."""
        for window in windows:
            yield np.stack([self.after(window[: end + 1]) for end in range(len(window))])

    def after(self, ids: Sequence[int]) -> Array:
        """Log-probabilities [vocab_size] of the id after these, before the bias below.

        A token comes with them only if the text so far is complete UTF-8; the first byte of a
        longer character is held back, and with it the log-probabilities. So a letter is forced.
        """
        answer = self.post(
            "/completion",
            prompt=list(ids),
            n_predict=1,
            n_probs=self.vocab_size,
            temperature=0.0,
            logit_bias=[[self.some_letter, 1000.0]],
            cache_prompt=True,
        )
        (token,) = answer["completion_probabilities"]
        found = np.full(self.vocab_size, -np.inf, np.float32)
        for entry in token["top_logprobs"]:
            found[entry["id"]] = entry["logprob"]
        return found

    def continuation(self, prompt: str, n_tokens: int) -> str:
        ids = self.post("/tokenize", content=prompt, add_special=True)["tokens"]
        given = prompt if ids[0] == self.begins_with else [self.begins_with, *ids]
        answer = self.post("/completion", prompt=given, n_predict=n_tokens, temperature=0.0)
        text: str = answer["content"]
        return prompt + text
