from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from slm.errors import ConfigError, TokenizerError
from slm.tokenizer import bpe
from slm.tokenizer.bpe import _interruptible as heed
from slm.tokenizer.bpe import count_words, train_bpe
from slm.tokenizer.byte_pair import BytePairTokenizer

TRAIN_AND_PRINT = """
from slm.tokenizer.bpe import train_bpe
texts = [f"tie {chr(97 + i % 26)}{chr(97 + i % 7)} and {i * i} more ties" for i in range(500)]
print(train_bpe(texts, 450).fingerprint)
"""


def test_the_size_is_exact(corpus: list[str]) -> None:
    for vocab_size in (257, 258, 300, 350):
        tokenizer = train_bpe(corpus, vocab_size)
        assert tokenizer.vocab_size == vocab_size
        assert tokenizer.name == f"bpe:{vocab_size}"


def test_frequent_words_become_tokens(bpe: BytePairTokenizer) -> None:
    assert {b"Once", b" little", b" upon"} <= set(bpe.ranks)
    assert len(bpe.encode(" little")) == 1


def test_no_token_crosses_words(bpe: BytePairTokenizer) -> None:
    assert all(b" " not in token.strip(b" ") for token in bpe.ranks)


def test_the_first_merge_is_the_most_frequent_pair() -> None:
    assert train_bpe(["xy xy xy qr"], 258).ranks[256] == b"xy"


@pytest.mark.parametrize("texts", [[], [""], ["ab"]])
def test_a_tiny_corpus_gives_a_smaller_vocabulary(texts: list[str]) -> None:
    tokenizer = train_bpe(texts, 4096)
    assert 257 <= tokenizer.vocab_size <= 258
    assert tokenizer.decode(tokenizer.encode("äny text")) == "äny text"


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 257"):
        train_bpe(["text"], 256)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(TokenizerError, match="lone surrogate"):
        train_bpe(["good", "bad \ud800"], 300)


@pytest.mark.slow
def test_training_gives_the_same_result_under_other_hash_seeds_and_threads() -> None:
    fingerprints = set()
    for hash_seed, threads in (("0", "1"), ("1", "2"), ("77", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "RAYON_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", TRAIN_AND_PRINT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        fingerprints.add(done.stdout)
    assert len(fingerprints) == 1


def test_words_are_gpt2s() -> None:
    words = count_words(["I've 2 dogs.\n\n  They run", " run run\n"])
    assert words == {
        "I": 1,
        "'ve": 1,
        " 2": 1,
        " dogs": 1,
        ".": 1,
        "\n\n ": 1,
        " They": 1,
        " run": 3,
        "\n": 1,
    }


def test_endless_runs_are_cut_into_words_of_bounded_length() -> None:
    words = count_words(["ab" * 100_000 + " " * 100_000 + "x"])
    assert max(map(len, words)) <= 128
    assert sum(len(word) * count for word, count in words.items()) == 300_001


def test_an_endless_corpus_is_read_only_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.tokenizer.bpe._MAX_HELD_CHARS", 10_000)
    monkeypatch.setattr("slm.tokenizer.sample.BATCH_CHARS", 5_000)

    def noise() -> Iterator[str]:
        number = 0
        while True:
            yield "".join(f" {number + i:x}" for i in range(1000))
            number += 1000

    assert train_bpe(noise(), 300).vocab_size == 300


def test_what_the_trainer_raises_is_raised_here() -> None:
    with pytest.raises(KeyError, match="in the thread"):
        heed(lambda cancelled: {}["in the thread"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals")
def test_a_signal_is_heard_while_the_trainer_works() -> None:
    """And the trainer is told, by a source of text that ends."""
    texts: list[str] = []
    ended = threading.Event()

    def work(cancelled: threading.Event) -> None:
        for text in bpe._repeated(Counter({"word" * n: 1 for n in range(1, 10)}), cancelled):
            texts.append(text)
            os.kill(os.getpid(), signal.SIGINT)
            cancelled.wait(60)
        ended.set()

    # Python leaves SIGINT alone where its parent ignored it, as that of a background job does.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            heed(work)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.wait(60)
    assert len(texts) == 1
