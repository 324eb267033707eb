"""Text to token ids: megabytes per second of every tokenizer, compared with other libraries.

    python bench/tokenizer_speed.py [--source FILE] [--megabytes N] [--rounds N] [--json]

The text is a file whose documents are separated by <|endoftext|>, or the built-in corpus. The
encoders alternate on the same documents for several rounds; the best round of each counts. The
other libraries use the same vocabulary and must produce the same ids: `tiktoken`'s batch call for
GPT-2, Hugging Face `tokenizers` for the trained BPE.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken
import tokenizers

from slm.errors import SlmError
from slm.tokenizer import EOT_TEXT, build_tokenizer
from slm.tokenizer.byte_pair import GPT2_PATTERN, BytePairTokenizer, byte_symbols
from storyworld import generate_stories

KINDS = ("bytes", "chars", "gpt2", "gpt2-8k", "bpe:4096")
THREADS = os.cpu_count() or 1

Encode = Callable[[], Sequence[Any]]


def read_documents(source: Path | None, megabytes: float) -> list[str]:
    """Documents with at most this many megabytes of UTF-8 in total."""
    if source is None:
        texts = (story.text for story in generate_stories())
    else:
        texts = (text.strip() for text in source.read_text("utf-8").split(EOT_TEXT))
    documents = []
    left_bytes = megabytes * 1e6
    for text in texts:
        left_bytes -= len(text.encode("utf-8"))
        if left_bytes < 0:
            break
        documents.append(text)
    return documents


def tiktoken_peer(tokenizer: BytePairTokenizer, documents: list[str]) -> Encode:
    """tiktoken's batch call with the same vocabulary."""
    encoding = tiktoken.Encoding(
        "peer",
        pat_str=GPT2_PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(tokenizer.ranks)},
        special_tokens={},
    )
    return lambda: encoding.encode_ordinary_batch(documents, num_threads=THREADS)


def hugging_face_peer(tokenizer: BytePairTokenizer, documents: list[str]) -> Encode:
    """The tokenizers library with the same vocabulary and merges."""
    symbol_of = {byte: symbol for symbol, byte in byte_symbols().items()}

    def spelt(token: bytes) -> str:
        return "".join(symbol_of[byte] for byte in token)

    peer = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={spelt(token): rank for rank, token in enumerate(tokenizer.ranks)},
            merges=[(spelt(left), spelt(right)) for left, right in tokenizer.merges()],
        )
    )
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return lambda: [np.array(e.ids, dtype=np.uint32) for e in peer.encode_batch(documents)]


def best_seconds(encoders: dict[str, Encode], rounds: int) -> dict[str, float]:
    """The fastest round of each encoder; they alternate, so that noise affects all equally."""
    best = dict.fromkeys(encoders, float("inf"))
    for _ in range(rounds):
        for name, encode in encoders.items():
            started_at = time.perf_counter()
            encode()
            best[name] = min(best[name], time.perf_counter() - started_at)
    return best


def same_ids(ours: Encode, theirs: Encode) -> bool:
    """Whether two encoders produce the same ids for every document."""
    return all(np.array_equal(a, b) for a, b in zip(ours(), theirs(), strict=True))


def measure(documents: list[str], rounds: int) -> dict[str, Any]:
    """All figures of one run, as JSON data."""
    megabytes = sum(len(text.encode("utf-8")) for text in documents) / 1e6
    encoders: dict[str, Encode] = {}
    build_seconds = {}
    peers = {}
    for kind in KINDS:
        started_at = time.perf_counter()
        tokenizer = build_tokenizer(kind, lambda: documents)
        build_seconds[kind] = time.perf_counter() - started_at
        encoders[kind] = partial(tokenizer.encode_batch, documents)
        if isinstance(tokenizer, BytePairTokenizer):
            peers[f"tiktoken batch, {kind}"] = kind
            encoders[f"tiktoken batch, {kind}"] = tiktoken_peer(tokenizer, documents)
        if kind == "bpe:4096":
            assert isinstance(tokenizer, BytePairTokenizer)
            peers[f"tokenizers, {kind}"] = kind
            encoders[f"tokenizers, {kind}"] = hugging_face_peer(tokenizer, documents)
    agreeing = {peer: same_ids(encoders[kind], encoders[peer]) for peer, kind in peers.items()}
    seconds = best_seconds(encoders, rounds)
    return {
        "megabytes": round(megabytes, 2),
        "documents": len(documents),
        "threads": THREADS,
        "build_seconds": {kind: round(value, 2) for kind, value in build_seconds.items()},
        "megabytes_per_second": {name: round(megabytes / s, 2) for name, s in seconds.items()},
        "peers": {
            peer: {
                "times_faster_than_peer": round(seconds[peer] / seconds[kind], 2),
                "same_ids": agreeing[peer],
            }
            for peer, kind in peers.items()
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, help="a text file; default: the built-in corpus")
    parser.add_argument("--megabytes", type=float, default=15.0, help="at most this much text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    try:
        documents = read_documents(arguments.source, arguments.megabytes)
        result = measure(documents, arguments.rounds)
    except (SlmError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(result))
        return 0
    print(f"{result['megabytes']} MB, {result['documents']:,} documents, {THREADS} threads")
    for name, speed in result["megabytes_per_second"].items():
        peer = result["peers"].get(name)
        notes = ""
        if peer:
            ids = "same ids" if peer["same_ids"] else "OTHER ids"
            notes = f"   ours is {peer['times_faster_than_peer']} times as fast, {ids}"
        elif name in result["build_seconds"]:
            notes = f"   built in {result['build_seconds'][name]} s"
        print(f"{name:<26}{speed:>9.2f} MB/s{notes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
