"""OpenAI's own client against a real server of a real, if tiny, model; and the command itself."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import openai
import pytest
import torch

from slm.generation import (
    GenerationOptions,
    Generator,
    TorchEngine,
    build_engine,
    build_generator,
)
from slm.tokenizer.byte_level import BytesTokenizer
from tests.servers import PATIENCE_SECONDS, running

RUN = Path(__file__).parents[1] / "fixtures" / "v1" / "run"


@pytest.fixture(scope="module")
def model(tiny_model):
    """One whose greedy texts never end, whatever the processor's rounding makes of them."""
    model = tiny_model("modern", spread=8.0, vocab_size=264, block_size=48, tie_embeddings=False)
    with torch.no_grad():
        model.lm_head.weight[BytesTokenizer().eot_id] = 0.0
    return model


@pytest.fixture(scope="module", params=["native", "plain"])
def generator(request, model):
    """What `slm generate` uses: with native code, and without a compiler."""
    if request.param == "plain":
        return Generator(TorchEngine(model, 1), BytesTokenizer())
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    return build_generator(model, BytesTokenizer(), batch_size=1)


@pytest.fixture(scope="module")
def server(model, generator):
    is_plain = isinstance(generator.engine, TorchEngine)
    engine = TorchEngine(model, 4) if is_plain else build_engine(model, 4)
    limits = {"queue": 64, "queue_seconds": 600.0, "max_tokens": 60_000}
    with running(engine, api_key="a-long-key", **limits) as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(
        base_url=f"{server.address}/v1",
        api_key="a-long-key",
        max_retries=0,
        http_client=httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS),
    ) as found:
        yield found


def told(generator, prompt, **options):
    """What `slm generate` tells."""
    chosen = GenerationOptions(**{"top_k": None, "temperature": 1.0, **options})
    return [completion.text for completion in generator.complete([prompt], chosen)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.0},
        {"temperature": 0.7, "top_p": 0.8},
        {"stop": ["e", "th"]},
        {"temperature": 1.3, "extra_body": {"top_k": 5, "min_p": 0.01}},
    ],
)
def test_completions_are_what_generate_tells(client, generator, options):
    answer = client.completions.create(
        model="tiny", prompt="Once upon", max_tokens=60, seed=3, n=3, **options
    )
    plain = {name: value for name, value in options.items() if name != "extra_body"}
    plain |= options.get("extra_body", {})
    expected = told(generator, "Once upon", seed=3, samples=3, max_new_tokens=60, **plain)
    assert [choice.text for choice in answer.choices] == expected
    assert answer.usage.prompt_tokens == 9
    assert answer.seed == 3


def test_streamed_completions(client):
    settings = {"model": "tiny", "prompt": "Once", "max_tokens": 30, "seed": 1, "logprobs": 2}
    whole = client.completions.create(**settings)
    stream = client.completions.create(
        **settings, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    parts = [chunk.choices[0] for chunk in chunks[:-1]]
    assert "".join(part.text for part in parts) == whole.choices[0].text
    assert parts[-1].finish_reason == whole.choices[0].finish_reason
    tokens = [token for part in parts for token in part.logprobs.tokens]
    assert tokens == whole.choices[0].logprobs.tokens
    assert chunks[-1].usage == whole.usage


def test_chats(client, generator):
    first = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "A fox"}],
        max_completion_tokens=8,
        seed=1,
        logprobs=True,
        top_logprobs=2,
    )
    (choice,) = first.choices
    assert choice.message.content == told(generator, "A fox", seed=1, max_new_tokens=8)[0]
    assert len(choice.logprobs.content) == first.usage.completion_tokens
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    messages = [
        {"role": "user", "content": "A fox"},
        choice.message,
        {"role": "user", "content": [{"type": "text", "text": "Then"}]},
    ]
    stream = client.chat.completions.create(
        model="tiny", messages=messages, max_tokens=12, seed=2, stream=True
    )
    chunks = [chunk.choices[0] for chunk in stream]
    assert chunks[0].delta.role == "assistant"
    expected = told(generator, f"A fox{choice.message.content}\n\nThen", seed=2, max_new_tokens=12)
    assert "".join(chunk.delta.content or "" for chunk in chunks) == expected[0]
    assert chunks[-1].finish_reason in ("stop", "length")


def test_an_answer_of_the_client_can_be_put_back_into_its_history(client, generator):
    asked = {"model": "tiny", "max_tokens": 8, "seed": 1}
    said = {"role": "user", "content": "A fox"}
    first = client.chat.completions.create(messages=[said], **asked).choices[0].message
    assert first.model_dump().keys() > {"refusal", "annotations", "audio", "tool_calls"}
    expected = told(generator, f"A fox{first.content}\n\nThen", seed=1, max_new_tokens=8)[0]
    for kept in (first, first.model_dump(), first.model_dump(exclude_unset=True)):
        history = [said, kept, {"role": "user", "content": "Then"}]
        answer = client.chat.completions.create(messages=history, **asked)
        assert answer.choices[0].message.content == expected


def test_neutral_values_of_the_clients_own_arguments_change_nothing(client):
    asked = {"model": "tiny", "max_tokens": 8, "seed": 1}
    messages = [{"role": "user", "content": "A fox"}]
    plain = client.chat.completions.create(messages=messages, **asked).choices[0].message.content
    neutral = {
        "response_format": {"type": "text"},
        "tools": [],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "store": False,
        "metadata": {},
        "stop": [],
        "logit_bias": {},
        "n": 1,
        "modalities": ["text"],
        "service_tier": "auto",
        "prediction": None,
        "reasoning_effort": "none",
        "verbosity": "medium",
        "safety_identifier": "me",
        "prompt_cache_key": "me",
        "extra_body": {"cache_prompt": True, "top_k": -1, "repeat_penalty": 1.0},
    }
    answer = client.chat.completions.create(messages=messages, **asked, **neutral)
    assert answer.choices[0].message.content == plain
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            messages=messages, **asked, response_format={"type": "json_object"}
        )
    assert (error.value.param, error.value.code) == ("response_format", "unsupported_value")
    assert client.completions.create(model="tiny", prompt="a", seed=-1).seed >= 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_text_that_was_cut_inside_a_character_is_continued_by_its_ids(client, stream):
    """Random models write bytes that mostly are no character, so a cut is found soon."""

    def ask(prompt, max_tokens):
        options = {"logprobs": 0, "temperature": 0.0, "stream": stream, "max_tokens": max_tokens}
        found = client.completions.create(model="tiny", prompt=prompt, **options)
        choices = [chunk.choices[0] for chunk in found] if stream else [found.choices[0]]
        ids = [i for choice in choices for i in choice.logprobs.token_ids]
        return "".join(choice.text for choice in choices), ids

    cuts = 0
    for start in range(97, 123):
        prompt = [start]
        whole, ids = ask(prompt, 12)
        for size in range(1, len(ids)):
            text, first = ask(prompt, size)
            assert first == ids[:size]
            assert whole.startswith(text)
            written = bytes(i for i in first if i < 256)
            if written.decode("utf-8", "replace") != text:
                cuts += 1
                rest, _ = ask([*prompt, *first], len(ids) - size)
                assert text + rest == whole
        if cuts > 2:
            return
    raise AssertionError("no text was cut inside a character")


def test_scoring_a_text(client):
    answer = client.completions.create(
        model="tiny", prompt="Once", echo=True, max_tokens=0, logprobs=1
    )
    (choice,) = answer.choices
    assert choice.text == "Once"
    assert choice.logprobs.tokens == list("Once")
    assert all(number <= 0 for number in choice.logprobs.token_logprobs)
    assert answer.usage.completion_tokens == 0


def test_models(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "slm"


def test_refusals_are_the_clients_own_exceptions(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="tiny", prompt="Once", temperature=3)
    assert error.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="tiny", prompt="x" * 48)
    assert error.value.code == "context_length_exceeded"
    assert "found 48 tokens" in error.value.message
    with pytest.raises(openai.NotFoundError, match="unknown model 'gpt-5'; served: 'tiny'"):
        client.completions.create(model="gpt-5", prompt="Once")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="tiny", input="Once")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_many_at_once_are_each_as_alone(server, generator):
    """Of all lengths, prompts that fill the context among them, with options of their own."""
    chance = random.Random(0)
    asked = [
        {
            "prompt": "Once upon a time, there was a fox who was red."[: chance.choice([0, 5, 46])],
            "max_tokens": chance.randint(1, 60),
            "seed": number,
            "temperature": chance.choice([0.0, 0.8, 1.5]),
            "top_p": chance.choice([1.0, 0.9]),
            "extra_body": {
                "top_k": chance.choice([0, 3, 20]),
                "min_p": chance.choice([0.0, 0.05]),
                "repetition_penalty": chance.choice([1.0, 1.2]),
            },
        }
        for number in range(30)
    ]

    async def ask_all():
        async with openai.AsyncOpenAI(
            base_url=f"{server.address}/v1",
            api_key="a-long-key",
            max_retries=0,
            http_client=httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS),
        ) as client:

            async def ask(each):
                stream = await client.completions.create(model="tiny", stream=True, **each)
                return "".join([chunk.choices[0].text async for chunk in stream])

            return await asyncio.gather(*map(ask, asked))

    for each, text in zip(asked, asyncio.run(ask_all()), strict=True):
        options = each | each["extra_body"] | {"max_new_tokens": each["max_tokens"]}
        for name in ("extra_body", "max_tokens", "prompt"):
            del options[name]
        assert text == told(generator, each["prompt"], **options)[0]


def test_a_client_that_stops_listening_frees_its_slot(server, client):
    stream = client.completions.create(  # of texts that do not end
        model="tiny", prompt="Once", max_tokens=60_000, temperature=0.0, stream=True, n=4
    )
    next(iter(stream))
    stream.close()
    answer = client.completions.create(model="tiny", prompt="Once", max_tokens=1)
    assert answer.choices[0].finish_reason
    assert server.scheduler.counts.cancelled == 1  # the only one that this server has had


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_a_signal(number):
    words = ["serve", "--checkpoint", str(RUN), "--port", "0", "--model-name", "old"]
    words += ["--allow-host", "My-Laptop.local:80", "--allow-origin", "https://Pages.example/"]
    with subprocess.Popen(
        [sys.executable, "-m", "slm", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "SLM_API_KEY": "from-the-environment"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            address = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address), process.stderr.read()
            asked = {
                "Host": "my-laptop.local",
                "Origin": "https://pages.example",
                "Authorization": "Bearer from-the-environment",
            }
            with httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS) as http:
                found = http.get(f"{address}/insight/models", headers=asked)
            assert found.headers["access-control-allow-origin"] == "https://pages.example"
            (listed,) = found.json()["models"]
            assert listed["dtype"] == "float32"
            assert listed["text_dtype"] == ("bfloat16" if shutil.which("c++") else "float32")
            with openai.OpenAI(
                base_url=f"{address}/v1",
                api_key="from-the-environment",
                http_client=httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS),
            ) as client:
                answer = client.completions.create(model="old", prompt="", stream=True)
                next(iter(answer))
                process.send_signal(number)
                assert [chunk.choices[0].finish_reason for chunk in answer][-1]
            assert process.wait(300) == 0
            comments = process.stderr.read()
        finally:
            process.kill()
    assert "serving old" in comments
    assert comments.endswith("all requests are answered\n")
