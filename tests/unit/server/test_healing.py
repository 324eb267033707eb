"""Prompts whose end is healed, as a server answers them: texts, log-probabilities, and counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slm.generation import GenerationOptions
from slm.server.limits import Limits
from slm.server.request_bodies import checked
from slm.server.requests import ServedModel, chat_job, completion_job
from slm.server.responses import ChatWriter, CompletionWriter, Usage
from slm.server.schemas import ChatRequest, CompletionRequest
from tests.unit.generation.words import WORDS, expected_logits, ids_of, word_generator

PROMPTS = [" fox ", " fox litt", "a fox", " fox\n\n", " ", "a fox ran "]
GREEDY = {"temperature": 0.0, "max_tokens": 2}
LIMITS = Limits(slots=3)


@pytest.fixture
def model():
    return ServedModel.of("words", WORDS, 32)


@pytest.fixture
def deltas_of(make_scheduler, fake_engine, client):
    """`deltas_of(*jobs)`: all deltas of each of their texts, the jobs in one scheduler."""

    def run(*jobs: Any) -> list[list[list[Any]]]:
        slots = fake_engine(3)
        slots.logits_of = lambda ids: torch.from_numpy(expected_logits(ids))
        scheduler = make_scheduler(slots)
        clients = [client(scheduler, *job.sequences) for job in jobs]
        for _ in range(400):
            scheduler.step()
        assert all(each.done for each in clients)
        return [[each.deltas(i) for i in range(len(each.sequences))] for each in clients]

    return run


def completion(model, prompt, **fields):
    return completion_job(checked(CompletionRequest, {"prompt": prompt, **fields}), model, LIMITS)


def texts(deltas):
    return ["".join(delta.text for delta in each) for each in deltas]


def test_a_server_writes_what_the_generator_writes(model, deltas_of):
    options = {"temperature": 1.0, "top_p": 0.9, "seed": 4, "repetition_penalty": 1.2}
    jobs = [completion(model, p, max_tokens=12, n=2, **options) for p in PROMPTS]
    found = [texts(each) for each in deltas_of(*jobs)]
    chosen = GenerationOptions(max_new_tokens=12, samples=2, top_k=None, **options)
    expected = word_generator(native=False).complete(PROMPTS, chosen)
    assert [text for each in found for text in each] == [each.text for each in expected]
    alone = [
        texts(deltas_of(completion(model, p, max_tokens=12, n=2, **options))[0]) for p in PROMPTS
    ]
    assert alone == found


def test_a_chat_s_last_message_is_a_prompt(model, deltas_of):
    messages = [
        {"role": "user", "content": "a fox"},
        {"role": "assistant", "content": " fox "},
    ]
    job = chat_job(checked(ChatRequest, {"messages": messages, **GREEDY}), model, LIMITS)
    ((deltas,),) = deltas_of(job)
    assert texts([deltas]) == ["ran."]


def test_ids_are_continued_as_they_are(model, deltas_of):
    job = completion(model, ids_of(b" fox", b" "), **GREEDY)
    assert texts(deltas_of(job)[0])[0].startswith("x")
    assert job.prompt_tokens == 2


def answered(model, job, deltas, writer=CompletionWriter):
    usage = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    return writer(job, model).whole(deltas, usage).model_dump()["choices"][0]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("echo", [False, True])
def test_tokens_add_up_to_the_text(model, deltas_of, prompt, echo):
    job = completion(model, prompt, logprobs=2, echo=echo, **GREEDY)
    (deltas,) = deltas_of(job)
    choice = answered(model, job, deltas)
    told = choice["logprobs"]
    assert "".join(t for t in told["tokens"] if t != "<|endoftext|>") == choice["text"]
    plain = completion(model, prompt, echo=echo, **GREEDY)
    assert choice["text"] == texts(deltas_of(plain)[0])[0]
    starts = [len("".join(told["tokens"][:place])) for place in range(len(told["tokens"]))]
    assert told["text_offset"] == starts
    assert job.prompt_tokens == len(WORDS.encode(prompt))
    # What the model has read: the prompt's own ids, as far as they were not replaced, and these.
    new_ids = told["token_ids"][job.prompt_tokens if echo else 0 :]
    replaced = told.get("replaced", "")
    assert prompt.endswith(replaced)
    kept = prompt.encode()[: len(prompt) - len(replaced)]
    whole = prompt + choice["text"].removeprefix(prompt if echo else "")
    assert kept + WORDS.decode_bytes(new_ids) == whole.encode()
    if echo:
        assert told["token_ids"][: job.prompt_tokens] == WORDS.encode(prompt)
    # Each is scored in its place.
    own = ids_of(b"", *(WORDS.token_bytes(i) for i in WORDS.encode(prompt)))
    context = own[: len(own) - (1 if replaced == " " else 2 if replaced == " litt" else 0)]
    if "\n\n" not in prompt:
        for token_id, logprob in zip(new_ids, told["token_logprobs"][-len(new_ids) :], strict=True):
            scores = torch.from_numpy(expected_logits(context)).log_softmax(dim=-1)
            assert logprob == pytest.approx(float(scores[token_id]))
            context.append(token_id)


def test_what_is_replaced_is_told_where_it_is(model, deltas_of):
    for prompt, tokens, ids, replaced in (
        (" fox ", ["ran", "."], ids_of(b" ran", b"."), " "),
        (" fox litt", ["le", " fox"], ids_of(b" little", b" fox"), " litt"),
        ("a fox", [" ran", "."], ids_of(b" ran", b"."), None),
    ):
        job = completion(model, prompt, logprobs=0, **GREEDY)
        (deltas,) = deltas_of(job)
        told = answered(model, job, deltas)["logprobs"]
        assert (told["tokens"], told["token_ids"]) == (tokens, ids)
        assert told.get("replaced") == replaced
        assert sum(delta.new_tokens for delta in deltas[0]) == 2


def test_a_chat_s_tokens_are_its_text_s_bytes(model, deltas_of):
    fields = {"messages": [{"role": "user", "content": " fox "}], "logprobs": True, **GREEDY}
    job = chat_job(checked(ChatRequest, {**fields, "top_logprobs": 1}), model, LIMITS)
    (deltas,) = deltas_of(job)
    first, second = answered(model, job, deltas, ChatWriter)["logprobs"]["content"]
    assert (first["token"], first["bytes"]) == ("ran", list(b"ran"))
    assert (second["token"], second["bytes"]) == (".", list(b"."))
    assert first["top_logprobs"][0]["token"] == " ran"


def test_scoring_alone_heals_nothing(model, deltas_of):
    job = completion(model, " fox ", logprobs=0, echo=True, max_tokens=0)
    (deltas,) = deltas_of(job)
    choice = answered(model, job, deltas)
    assert choice["text"] == " fox "
    assert choice["logprobs"]["token_ids"] == ids_of(b" fox", b" ")
    assert "replaced" not in choice["logprobs"]


@pytest.mark.parametrize("echo", [False, True])
def test_ids_that_end_inside_a_character(model, deltas_of, make_scheduler, echo):
    """What is written goes on with the character; half of it is no text."""
    fox = "🦊".encode()
    job = completion(model, list(b"a" + fox[:2]), max_tokens=2, temperature=0.0, echo=echo)
    (stream,) = job.sequences
    stream.begin()
    text = "".join(stream.take(byte).text for byte in fox[2:])
    assert text == "🦊"
    assert job.prompt_tokens == 3


def test_a_text_cut_inside_a_character_has_none_of_it(model):
    fox = "🦊".encode()
    job = completion(model, "x", max_tokens=3, temperature=0.0)
    (stream,) = job.sequences
    deltas = [stream.take(byte) for byte in b"b" + fox[:2]]
    assert "".join(delta.text for delta in deltas) == "b"
    assert (deltas[-1].finish, deltas[-1].new_tokens) == ("length", 3)
