"""Training a byte-pair vocabulary on a corpus, in bounded memory and always with one result.

The words of a sample are counted here; Hugging Face's `tokenizers` learns the merges from counts.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import regex

from slm.errors import ConfigError
from slm.tokenizer.byte_pair import GPT2_PATTERN, BytePairTokenizer, byte_symbols, parts_of
from slm.tokenizer.sample import sample_batches
from slm.tokenizer.table import invalid_unicode

# These bound memory (about half a GB) and time for noise, in which no word comes twice; a corpus of
# stories stays far below them.
_STRETCH = re.compile(r"\s{0,64}\S{1,64}|\s{1,64}")
_MAX_HELD_CHARS = 4_000_000
_MAX_WORD_BYTES = 2_000_000
_MAX_FED_CHARS = 8_000_000
_LINE_CHARS = 1 << 16
_SPARE_MERGES = 64
_SEPARATOR = "\0"


def train_bpe(texts: Iterable[str], vocab_size: int) -> BytePairTokenizer:
    """Learn a byte-pair vocabulary of GPT-2's kind: 256 bytes, the merges, and end-of-text.

    The same texts give the same vocabulary on every run. A corpus too small to offer enough merges
    gives a smaller vocabulary than was asked for.

    Args:
        texts: the corpus; only its beginning is read (`sample_batches`).
        vocab_size: the number of ids, end-of-text included.

    Raises:
        ConfigError: vocab_size is below 257.
        TokenizerError: a text holds a lone surrogate.
    """
    if vocab_size < 257:
        raise ConfigError(
            f"a byte-pair vocabulary has at least 257 ids (256 bytes and end-of-text), "
            f"not {vocab_size}"
        )
    symbols = byte_symbols()
    learnt = _learn(count_words(texts), vocab_size - 1 + _SPARE_MERGES)
    tokens = (bytes(symbols[symbol] for symbol in token) for token in learnt)
    ranks = _reachable(tokens, [bytes([byte]) for byte in symbols.values()], vocab_size - 1)
    return BytePairTokenizer(f"bpe:{vocab_size}", ranks)


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each of GPT-2's words occurs in the sample.

    Stretches between spaces are counted first, which is several times faster than splitting all
    text into words. Runs of more than 64 characters are cut: as single words they would teach
    nothing and take the trainer quadratic time. Counting ends early when there are too many
    distinct ones to hold (a text without spaces, or of noise).

    Raises:
        TokenizerError: a text holds a lone surrogate.
    """
    stretches: Counter[str] = Counter()
    held_chars = 0
    for batch in sample_batches(texts):
        known = len(stretches)
        for text in batch:
            stretches.update(_STRETCH.findall(text))
        held_chars += sum(map(len, islice(stretches, known, None)))
        if held_chars > _MAX_HELD_CHARS:
            break
    words: Counter[str] = Counter()
    split_words = regex.compile(GPT2_PATTERN).findall
    for stretch, count in stretches.items():
        for word in split_words(stretch):
            words[word] += count
    try:
        "".join(words).encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid_unicode(error) from error
    return words


def _learn(words: Counter[str], vocab_size: int) -> list[str]:
    """The trainer's tokens in merge order, written in GPT-2's byte symbols."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_SEPARATOR, behavior="removed"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=list(byte_symbols()), show_progress=False
    )
    _interruptible(
        lambda cancelled: tokenizer.train_from_iterator(_repeated(words, cancelled), trainer)
    )
    id_of = tokenizer.get_vocab()
    return sorted(id_of, key=id_of.__getitem__)


def _interruptible(work: Callable[[threading.Event], object]) -> None:
    """Run a library's work in a thread, so that Ctrl-C interrupts the wait for it.

    The library is in Rust and returns only at the end, and Python handles signals only in its main
    thread. The event is set when the work is cancelled; it then ends by itself or with the process.

    Raises:
        BaseException: what the work raised.
    """
    cancelled = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(cancelled)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="bpe", daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(0.2)  # on Windows, an endless wait would not be interrupted
    finally:
        cancelled.set()
    if failures:
        raise failures[0]


def _repeated(words: Counter[str], cancelled: threading.Event) -> Iterator[str]:
    """The most frequent words, each as often as it counts, for a trainer that wants plain text.

    Counts are scaled down where all together would be long to read, but no word is lost by it.
    Nothing more comes once the work is given up.
    """
    chars = sum(len(word) * count for word, count in words.items())
    scale = max(1.0, chars / _MAX_FED_CHARS)
    left_bytes = _MAX_WORD_BYTES
    for word, count in words.most_common():
        left_bytes -= len(word.encode("utf-8"))
        if left_bytes < 0 or cancelled.is_set():
            return
        times = max(1, round(count / scale))
        times_per_line = _LINE_CHARS // (len(word) + 1)
        for done in range(0, times, times_per_line):
            yield (word + _SEPARATOR) * min(times_per_line, times - done)


def _reachable(tokens: Iterable[bytes], singles: list[bytes], limit: int) -> list[bytes]:
    """The tokens that joining two earlier ones gives, up to a limit, behind the single bytes.

    The trainer merges given pairs, we merge by the union's rank, so a rare token of the trainer's
    could never appear in our ids. Without those, every token is a merge, in order.
    """
    ranks = list(singles)
    rank_of = {token: rank for rank, token in enumerate(ranks)}
    for token in tokens:
        if len(ranks) == limit:
            break
        if token not in rank_of and len(parts_of(token, rank_of, len(ranks))) == 2:
            rank_of[token] = len(ranks)
            ranks.append(token)
    return ranks
