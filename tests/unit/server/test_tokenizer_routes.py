"""What lm-evaluation-harness asks of a remote tokenizer."""

from __future__ import annotations

import pytest

from slm.errors import TokenizerError
from slm.server import tokenizer_routes as tokenizer_routes_module
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.tokenizer_routes import tokenizer_routes
from slm.tokenizer.byte_level import BytesTokenizer


@pytest.fixture
def client(client_of):
    models = [ServedModel.of(name, BytesTokenizer(), size) for name, size in (("x", 64), ("y", 32))]
    return client_of(tokenizer_routes(models, Limits()))


def test_texts_come_back(client):
    for text in ("Once é\n", "", "a <|endoftext|> b"):
        answer = client.post("/tokenize", json={"prompt": text, "add_special_tokens": False})
        tokens = answer.json()["tokens"]
        assert tokens == list(text.encode())
        assert client.post("/detokenize", json={"tokens": tokens}).json() == {"prompt": text}
    begun = client.post("/tokenize", json={"prompt": "a", "add_special_tokens": True, "model": "x"})
    assert begun.json() == {"tokens": [256, 97], "count": 2, "max_model_len": 64}


def test_a_tokenizer_that_fails_is_no_error_of_the_server(client_of, monkeypatch):
    def fail(self, text):
        raise TokenizerError("the tokenizers library fails on a text")

    monkeypatch.setattr(BytesTokenizer, "encode", fail)
    model = ServedModel.of("x", BytesTokenizer(), 64)
    answer = client_of(tokenizer_routes([model], Limits())).post("/tokenize", json={"prompt": "a"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "prompt"


def test_special_tokens_are_named_and_have_their_ids(client):
    info = client.get("/tokenizer_info").json()
    for role in ("bos_token", "eos_token", "pad_token"):
        answer = client.post("/tokenize", json={"prompt": info[role]})
        assert answer.json()["tokens"] == [256]
    assert info["chat_template"] is None


def test_requests_are_counted_for_their_model(client, monkeypatch):
    counted = []
    monkeypatch.setattr(tokenizer_routes_module, "is_about", lambda _, name: counted.append(name))
    client.post("/tokenize", json={"prompt": "a", "model": "y"})
    client.post("/detokenize", json={"tokens": [97], "model": "x"})
    client.get("/tokenizer_info", params={"model": "y"})
    client.post("/tokenize", json={"prompt": "a"})
    assert counted == ["y", "x", "y"]


def test_each_model_has_its_own(client):
    for name, size in ((None, 64), ("x", 64), ("y", 32)):
        answer = client.post("/tokenize", json={"prompt": "a", "model": name})
        assert answer.json()["max_model_len"] == size
        info = client.get("/tokenizer_info", params={} if name is None else {"model": name})
        assert info.json()["model_max_length"] == size
    for answer in (
        client.post("/tokenize", json={"prompt": "a", "model": "z"}),
        client.post("/detokenize", json={"tokens": [97], "model": "z"}),
        client.get("/tokenizer_info", params={"model": "z"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {}),
        ("/tokenize", {"prompt": 5}),
        ("/tokenize", {"prompt": "x" * ((1 << 20) + 1)}),
        ("/detokenize", {"tokens": [257]}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {"tokens": ["a"]}),
    ],
)
def test_bad_bodies_are_refused(client, path, body):
    answer = client.post(path, json=body)
    assert answer.status_code in (400, 413, 422)
    assert "message" in answer.json()["error"]
