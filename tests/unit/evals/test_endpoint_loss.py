"""The ruler for other programs: equal to ours on our server, and no guess on others."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from slm.data.documents import DocumentPart
from slm.errors import DataError, EndpointError
from slm.evals import evaluate_parts
from slm.evals.endpoint import Endpoint
from slm.evals.endpoint_loss import evaluate_endpoint
from slm.generation import TorchEngine
from slm.model import GPT
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.tokenizer_routes import tokenizer_routes
from slm.tokenizer.byte_level import BytesTokenizer
from tests.servers import running
from tests.unit.evals.scripted_server import Asked, Reply, ScriptedServer, scripted

BLOCK = 16
STORIES = [
    "Once.",
    "x" * (BLOCK - 1),  # with the end of text, as long as the context
    "y" * BLOCK,
    "A story that is much longer than the context, with an é and a \U0001f98a.",
    "",
    "<|endoftext|> is text in a text",
    "<|endoftext|>.",
]
PARTS = [DocumentPart(story, ends_story=True) for story in STORIES]


# -- our own server --------------------------------------------------------------------------------


@contextlib.contextmanager
def served(model: GPT) -> Iterator[Endpoint]:
    tokenizer = BytesTokenizer()
    routes = tokenizer_routes([ServedModel.of("tiny", tokenizer, BLOCK)], Limits())
    engine = TorchEngine(model, 4)
    with (
        running(engine, tokenizer=tokenizer, routes=routes) as server,
        Endpoint(server.address) as endpoint,
    ):
        yield endpoint


def test_a_served_model_has_the_figures_of_its_checkpoint(model: GPT) -> None:
    """Also for stories longer than the context, and for a text that does not end with a story."""
    parts = [*PARTS, DocumentPart("not at its end", ends_story=False)]
    expected = evaluate_parts(model, BytesTokenizer(), parts)
    seen: list[int] = []
    with served(model) as endpoint:
        found = evaluate_endpoint(endpoint, parts, on_progress=seen.append)
    assert (found.tokens, found.bytes, found.stories) == (
        expected.tokens,
        expected.bytes,
        expected.stories,
    )
    assert found.bits_per_byte == pytest.approx(expected.bits_per_byte, rel=1e-5)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert seen[-1] == found.tokens


def test_without_text_there_is_nothing_to_score(model: GPT) -> None:
    with served(model) as endpoint, pytest.raises(DataError, match="no text to evaluate"):
        evaluate_endpoint(endpoint, [])


# -- scripted servers ------------------------------------------------------------------------------

EOT = "<|endoftext|>"


def log_probability(context: Sequence[str], token: str) -> float:
    """Of the model that the scripted servers have: it knows the last token."""
    return -1.0 - (ord(token[0]) + 3 * ord(context[-1][0])) % 7 / 7


def tokens_of(text: str, *, special: bool = True) -> list[str]:
    parts = text.split(EOT) if special else [text]
    found = list(parts[0])
    for part in parts[1:]:
        found += [EOT, *part]
    return found


def logprobs_of(tokens: Sequence[str]) -> dict[str, Any]:
    values = [log_probability(tokens[:n], tokens[n]) for n in range(1, len(tokens))]
    return {"tokens": list(tokens), "token_logprobs": [None, *values]}


def as_text(asked: Asked, *, new: int = 1, **options: Any) -> Any:
    """OpenAI's completions: the first log-probability is null; a new token at the end."""
    if asked.path != "/v1/completions":
        return Reply({"error": "not found"}, 404)
    assert asked.body["echo"]
    assert asked.body["logprobs"] == 1
    tokens = [*tokens_of(asked.body["prompt"], **options), *"!" * new]
    usage = {"prompt_tokens": len(tokens) - new, "completion_tokens": new}
    return {"choices": [{"logprobs": logprobs_of(tokens)}], "usage": usage}


def as_ids(asked: Asked, *, context: int = 24, least: int = 0, room: int = 0) -> Any:
    """vLLM's: /tokenize, and prompts of ids; `room`: positions that a prompt must leave free."""
    if asked.path == "/tokenize":
        text = asked.body["prompt"]
        ids = [ord(token[0]) if token != EOT else 1 for token in tokens_of(text)]
        start = [1] if asked.body["add_special_tokens"] else []
        return {"tokens": [*start, *ids], "max_model_len": context}
    if asked.path.startswith("/tokenizer_info"):
        return {"eos_token": {"content": EOT}}
    prompt, new = asked.body["prompt"], asked.body["max_tokens"]
    if new < least:
        return Reply({"error": {"message": "max_tokens must be at least 1"}}, 400)
    if isinstance(prompt, str):
        prompt = [ord(character) for character in prompt]
    if len(prompt) + new + room > context:
        return Reply({"error": {"message": "too long"}}, 400)
    tokens = [EOT if each == 1 else chr(each) for each in prompt] + ["!"] * new
    return {"choices": [{"logprobs": logprobs_of(tokens)}]}


def measured(
    script: Callable[[Asked], Any], stories: Sequence[str] = STORIES, **options: Any
) -> tuple[Any, ScriptedServer]:
    with scripted(script) as server, Endpoint(server.address) as endpoint:
        parts = [DocumentPart(story, ends_story=True) for story in stories]
        return evaluate_endpoint(endpoint, parts, **options), server


def expected_nats(stories: Sequence[str]) -> float:
    return -math.fsum(
        log_probability([EOT, *story][: n + 1], token)
        for story in stories
        for n, token in enumerate([*story, EOT])
    )


PLAIN = ["Once.", "", "A long story of more characters than a window has.", "é \U0001f98a"]


def check(result: Any, stories: Sequence[str]) -> None:
    n_tokens = sum(len(story) + 1 for story in stories)
    n_bytes = sum(len(story.encode()) for story in stories)
    assert (result.tokens, result.bytes, result.stories) == (n_tokens, n_bytes, len(stories))
    assert result.loss * n_tokens == pytest.approx(expected_nats(stories))
    assert result.bits_per_byte == pytest.approx(expected_nats(stories) / math.log(2) / n_bytes)


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("room", [0, 1])
def test_windows_are_as_long_as_the_server_takes(least: int, room: int) -> None:
    """The last token alone decides in this model, so windows do not change its figures."""
    result, server = measured(lambda asked: as_ids(asked, least=least, room=room), PLAIN)
    check(result, PLAIN)
    sent = [len(body["prompt"]) for body in server.bodies("/v1/completions")]
    longest = 24 - least - room
    assert sent.count(longest) >= 2  # at the start to find that out, and for the long story
    assert all(not body["add_special_tokens"] for body in server.bodies("/v1/completions")[1:])


def test_stories_are_sent_as_text_where_ids_are_not_known() -> None:
    said: list[str] = []
    result, server = measured(as_text, PLAIN, end_of_text=EOT, log=said.append)
    check(result, PLAIN)
    sent = {body["prompt"] for body in server.bodies("/v1/completions")[1:]}
    assert sent == {EOT + story + EOT for story in PLAIN}
    assert "stories are sent as text" in said[0]


@pytest.mark.parametrize("own", ["<s>", EOT])
def test_a_server_may_put_its_own_token_before_a_text(own: str) -> None:
    def script(asked: Asked) -> Any:
        answer = as_text(asked)
        if not isinstance(answer, Reply):
            logprobs = answer["choices"][0]["logprobs"]
            answer["usage"].pop("prompt_tokens")  # whether it counts the token is not known
            logprobs["tokens"].insert(0, own)
            logprobs["token_logprobs"].insert(0, None)
            logprobs["token_logprobs"][1] = -9.0  # of the end-of-text token after it
        return answer

    check(measured(script, PLAIN, end_of_text=EOT)[0], PLAIN)


def test_the_first_score_is_never_counted() -> None:
    """Ours gives 0 for the token that begins a text, OpenAI null; the result is the same."""

    def script(asked: Asked) -> Any:
        answer = as_ids(asked)
        if asked.path == "/v1/completions" and not isinstance(answer, Reply):
            answer["choices"][0]["logprobs"]["token_logprobs"][0] = 0.0
        return answer

    check(measured(script, PLAIN)[0], PLAIN)


def test_which_token_ends_a_text_must_be_known() -> None:
    with pytest.raises(EndpointError, match="does not say which token ends a text") as error:
        measured(as_text)
    assert "--end-of-text" in str(error.value.hint)

    def without_info(asked: Asked) -> Any:
        if asked.path.startswith("/tokenizer_info"):
            return Reply({}, 404)
        return as_ids(asked)

    with pytest.raises(EndpointError, match="does not say which token ends a text"):
        measured(without_info)
    check(measured(without_info, PLAIN, end_of_text=EOT)[0], PLAIN)


@pytest.mark.parametrize(
    "script", [as_ids, lambda asked: as_text(asked, special=False)], ids=["ids", "text"]
)
def test_an_end_of_text_that_is_ordinary_text_is_refused(script: Callable[[Asked], Any]) -> None:
    with pytest.raises(EndpointError, match="not as the end-of-text token"):
        measured(script, end_of_text="<end>" if script is as_ids else EOT)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda choice: choice.pop("logprobs"), "no log-probabilities of the prompt"),
        (lambda choice: choice.update(logprobs=None), "no log-probabilities of the prompt"),
        (lambda choice: choice.update(logprobs={"content": []}), "no log-probabilities of the"),
        (lambda choice: choice["logprobs"].update(token_logprobs=None), "returns 0 log-prob"),
        (lambda choice: choice["logprobs"]["token_logprobs"].pop(), "log-probabilities for the"),
        (lambda choice: choice["logprobs"]["token_logprobs"].append(-1.0), "log-probabilities for"),
        (
            lambda choice: choice["logprobs"]["token_logprobs"].__setitem__(-1, None),
            "returns None as the log-probability of token",
        ),
        (
            lambda choice: choice["logprobs"]["token_logprobs"].__setitem__(-1, 0.5),
            "returns 0.5 as the log-probability of token",
        ),
        (
            lambda choice: choice["logprobs"]["token_logprobs"].__setitem__(-1, True),
            "returns True as",
        ),
        (
            lambda choice: choice["logprobs"]["token_logprobs"].__setitem__(-1, math.nan),
            "returns nan as",
        ),
    ],
)
def test_half_answers_are_refused(change: Callable[[Any], Any], problem: str) -> None:
    def script(asked: Asked) -> Any:
        answer = as_ids(asked)
        if asked.path == "/v1/completions" and not isinstance(answer, Reply):
            change(answer["choices"][0])
        return answer

    with pytest.raises(EndpointError, match=problem) as error:
        measured(script)
    assert "use a server that scores prompts" in str(error.value.hint)


def test_a_server_that_ignores_echo_is_refused() -> None:
    """As llama.cpp's: it returns what it has generated only, in the form of its chat endpoint."""

    def script(asked: Asked) -> Any:
        if asked.path == "/tokenize":
            return {"tokens": []}
        if asked.path != "/v1/completions":
            return Reply({}, 404)
        new = {"token": ",", "logprob": -0.03, "top_logprobs": []}
        return {"choices": [{"text": ",", "logprobs": {"content": [new]}}], "usage": {}}

    with pytest.raises(EndpointError, match="no log-probabilities of the prompt"):
        measured(script, end_of_text="</s>")


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.pop("usage"),
        lambda answer: answer["usage"].pop("completion_tokens"),
        lambda answer: answer["choices"][0]["logprobs"].pop("tokens"),
        lambda answer: answer["choices"][0]["logprobs"]["tokens"].clear(),
    ],
)
def test_tokens_of_a_text_must_be_known(change: Callable[[Any], Any]) -> None:
    def script(asked: Asked) -> Any:
        answer = as_text(asked)
        if not isinstance(answer, Reply):
            change(answer)
        return answer

    with pytest.raises(EndpointError, match="the tokens of the prompt and their number"):
        measured(script, end_of_text=EOT)


def test_a_story_too_long_for_a_server_without_ids_is_named() -> None:
    def script(asked: Asked) -> Any:
        if len(str(asked.body and asked.body["prompt"])) > 60:
            return Reply({"error": {"message": "at most 32 tokens"}}, 400)
        return as_text(asked)

    with pytest.raises(EndpointError, match="a story of 70 characters was rejected: .*at most 32"):
        measured(script, ["short", "x" * 70], end_of_text=EOT)


@pytest.mark.parametrize("tokens", [None, "abc", [1.5], [True], [-1], [1 << 40]])
def test_ids_must_be_ids(tokens: object) -> None:
    def script(asked: Asked) -> Any:
        if asked.path == "/tokenize" and asked.body["prompt"] == "Once.":
            return {"tokens": tokens, "max_model_len": 24}
        return as_ids(asked)

    with pytest.raises(EndpointError, match="/tokenize answers without token ids"):
        measured(script, ["Once."])


def test_a_long_text_is_tokenized_in_parts() -> None:
    story = "word " * 40_000
    _, server = measured(lambda asked: as_ids(asked, context=5000), [story])
    sent = [body["prompt"] for body in server.bodies("/tokenize")]
    assert "".join(text for text in sent if text != EOT) == story
    assert max(map(len, sent)) <= 2 << 16
    assert max(len(body["prompt"]) for body in server.bodies("/v1/completions")) == 4097
