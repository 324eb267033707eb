"""From requests to texts: prompts, options, and the bounds of model and limits."""

from __future__ import annotations

import pytest

from slm.generation.options import GenerationOptions
from slm.generation.sequence import TokenSequence
from slm.server.http_errors import HttpError
from slm.server.limits import Limits
from slm.server.request_bodies import checked
from slm.server.requests import ServedModel, chat_job, completion_job, conversation_text
from slm.server.responses import CompletionWriter, Usage
from slm.server.schemas import ChatRequest, CompletionRequest, Message
from slm.server.served_sequence import ServedSequence
from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.server.fakes import BLOCK_SIZE, run_alone, scripted

USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
LIMITS = Limits(max_tokens=500, choices=3, prompts=2)


@pytest.fixture
def model():
    return ServedModel.of("tiny", BytesTokenizer(), BLOCK_SIZE)


def completion(served, /, limits=LIMITS, **fields):
    return completion_job(checked(CompletionRequest, {"prompt": "Hi", **fields}), served, limits)


def chat(served, /, *texts, limits=LIMITS, **fields):
    messages = [{"role": "user", "content": text} for text in texts or ("Hi",)]
    return chat_job(checked(ChatRequest, {"messages": messages, **fields}), served, limits)


def texts(job):
    return ["".join(delta.text for delta in run_alone(stream)) for stream in job.sequences]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("n", 4, "invalid_value"),
        ("max_tokens", 501, "invalid_value"),
        ("prompt", ["a", "b", "c"], "invalid_value"),
        ("prompt", "x" * BLOCK_SIZE, "context_length_exceeded"),
        ("prompt", ["ok", "x" * BLOCK_SIZE], "context_length_exceeded"),
        ("prompt", [1] * BLOCK_SIZE, "context_length_exceeded"),
        ("prompt", "x" * 1_000_000, "context_length_exceeded"),
        ("prompt", [257], "invalid_value"),
        ("prompt", [-1], "invalid_value"),
        ("prompt", [[1], [10**400]], "invalid_value"),
    ],
)
def test_bounds_are_kept_and_named(model, field, value, code):
    with pytest.raises(HttpError) as problem:
        completion(model, **{field: value})
    assert (problem.value.param, problem.value.code) == (field, code)
    assert problem.value.status == 400


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("x" * 40, "prompt: must have at most 31 tokens * found 40 tokens"),
        ([1] * 50, "prompt: must have at most 31 tokens * found 50 tokens"),
        (["ok", "é" * 20], "prompt[1]: must have at most 31 tokens * found 40 tokens"),
        (
            "é" * 50_000,
            "prompt: must have at most 31 tokens * "
            "found 50,000 characters, which are at least 100,000 tokens",
        ),
    ],
)
def test_the_refusal_of_a_long_prompt_names_its_length(model, prompt, found):
    with pytest.raises(HttpError) as problem:
        completion(model, prompt=prompt)
    beginning, end = found.split("*")
    assert problem.value.message.startswith(beginning)
    assert problem.value.message.endswith(end)


def test_minus_one_is_as_many_tokens_as_the_server_allows(model):
    few = Limits(max_tokens=7)
    for job in (
        completion(model, limits=few, seed=1, max_tokens=-1),
        chat(model, limits=few, seed=1, max_tokens=-1),
        chat(model, limits=few, seed=1, max_completion_tokens=-1, max_tokens=2),
    ):
        assert run_alone(job.sequences[0])[-1].new_tokens == 7


def test_ids_that_end_inside_a_character_are_continued_with_the_rest_of_it(model):
    first, second = "é".encode()
    for echo, whole, offset in ((False, "é!", 0), (True, "aé!", 1)):
        job = completion(model, prompt=[ord("a"), first], max_tokens=2, echo=echo)
        deltas = scripted(job.sequences[0], [second, ord("!")])
        assert "".join(delta.text for delta in deltas) == whole
        job = completion(model, prompt=[ord("a"), first], max_tokens=2, echo=echo, logprobs=0)
        prompt = [ord("a"), first] if echo else []
        deltas = scripted(job.sequences[0], [*prompt, second, ord("!")])
        assert "".join(delta.text for delta in deltas) == whole
        tokens = [token for delta in deltas for token in delta.tokens]
        assert [token.offset for token in tokens[-2:]] == [offset, offset + 1]


def test_the_newer_name_of_max_tokens_is_the_stronger(model):
    with pytest.raises(HttpError) as problem:
        chat(model, max_completion_tokens=501, max_tokens=1)
    assert problem.value.param == "max_completion_tokens"
    job = chat(model, max_completion_tokens=0, max_tokens=501)
    assert texts(job) == [""]


def test_an_answer_has_a_largest_size(model):
    few = Limits(max_tokens=500, max_response_tokens=600)
    completion(model, limits=few, max_tokens=100, logprobs=5)
    completion(model, limits=few, max_tokens=100, n=3, prompt=["a", "b"], echo=False)
    echoed = {"n": 3, "prompt": ["a", "b"], "echo": True}
    for fields in ({"logprobs": 6}, {"n": 3, "logprobs": 2}, echoed):
        with pytest.raises(HttpError) as problem:
            completion(model, limits=few, max_tokens=100, **fields)
        assert problem.value.param == "max_tokens"


def test_the_longest_prompt_fits(model):
    job = completion(model, prompt="x" * (BLOCK_SIZE - 1), max_tokens=3)
    assert job.prompt_tokens == BLOCK_SIZE - 1
    assert len(job.sequences[0].context) == BLOCK_SIZE
    texts(job)


def test_choices_come_prompt_by_prompt(model):
    both = texts(completion(model, prompt=["Hi", "Ho"], n=2, seed=5))
    assert both[:2] == texts(completion(model, prompt="Hi", n=2, seed=5))
    assert both[2:] == texts(completion(model, prompt="Ho", n=2, seed=5))
    assert len(set(both)) == 4
    assert completion(model, prompt=["Hi", "you"], n=2).prompt_tokens == 5


def test_ids_are_as_good_as_their_text(model):
    expected = texts(completion(model, prompt="Hi", seed=5, echo=True))
    assert texts(completion(model, prompt=list(b"Hi"), seed=5, echo=True)) == expected


def test_options_are_those_of_the_request(model):
    fields = {
        "temperature": 0.7,
        "top_k": 9,
        "top_p": 0.9,
        "min_p": 0.01,
        "repetition_penalty": 1.2,
        "seed": 77,
        "stop": ["q"],
        "max_tokens": 40,
    }
    options = GenerationOptions(
        max_new_tokens=40,
        **{name: value for name, value in fields.items() if name not in ("max_tokens", "stop")},
        stop=("q",),
    )
    row = TokenSequence("Hi", model.tokenizer, options, seed=77, index=0, block_size=BLOCK_SIZE)
    expected = "".join(
        delta.text for delta in run_alone(ServedSequence(row, options, model.tokenizer))
    )
    assert texts(completion(model, **fields)) == [expected]
    assert texts(chat(model, **fields)) == [expected]


def test_nothing_asked_for_is_openais_default(model):
    job = completion(model, seed=5)
    plain = completion(model, seed=5, temperature=1.0, top_p=1.0, n=1, max_tokens=16)
    assert texts(job) == texts(plain)
    assert job.logprobs is None


def test_where_no_number_is_asked_for_the_limit_is_kept(model):
    few = Limits(max_tokens=4)
    for job in (completion(model, limits=few, seed=1), chat(model, limits=few, seed=1)):
        assert run_alone(job.sequences[0])[-1].new_tokens <= 4


def test_tiny_temperatures_and_top_p_take_the_likeliest(model):
    greedy = texts(completion(model, temperature=0, max_tokens=9))
    assert texts(completion(model, temperature=1e-9, max_tokens=9)) == greedy
    assert texts(completion(model, top_p=0, max_tokens=9)) == greedy


def test_a_seed_is_chosen_where_none_is_given(model):
    job = completion(model, max_tokens=9)
    assert texts(completion(model, max_tokens=9, seed=job.seed)) == texts(job)


def test_a_conversation_is_a_text_that_goes_on():
    conversation = [
        Message(role="system", content="A story."),
        Message(role="user", content="Once upon a time"),
        Message(role="assistant", content=" there was a fox."),
        Message(role="user", content="One day"),
    ]
    assert conversation_text(conversation) == (
        "A story.\n\nOnce upon a time there was a fox.\n\nOne day"
    )
    assert conversation_text(conversation[2:3]) == " there was a fox."


def test_logprobs_of_a_chat_are_two_fields(model):
    assert chat(model).logprobs is None
    assert chat(model, top_logprobs=3).logprobs is None
    assert chat(model, logprobs=True).logprobs == 0
    assert chat(model, logprobs=True, top_logprobs=3).logprobs == 3


def test_a_long_conversation_is_too_long_as_a_whole(model):
    with pytest.raises(HttpError) as problem:
        chat(model, "x" * 20, "y" * 20)
    assert (problem.value.param, problem.value.code) == ("messages", "context_length_exceeded")


EOT = BytesTokenizer().eot_id


@pytest.mark.parametrize(
    ("prompt", "options", "longest"),
    [
        ([1], {}, BLOCK_SIZE - 1),
        ([1], {"max_tokens": 0}, BLOCK_SIZE),
        ([EOT, 1], {}, BLOCK_SIZE),
        ([EOT, 1], {"max_tokens": 0}, BLOCK_SIZE + 1),
        ([1], {"add_special_tokens": False}, BLOCK_SIZE),
        ([1], {"add_special_tokens": False, "max_tokens": 0}, BLOCK_SIZE + 1),
    ],
)
def test_a_prompt_may_fill_the_context(model, prompt, options, longest):
    fitting = [*prompt, *[1] * (longest - len(prompt))]
    completion(model, prompt=fitting, **options)
    with pytest.raises(HttpError, match=f"at most {longest} tokens"):
        completion(model, prompt=[*fitting, 1], **options)


def test_an_empty_prompt_starts_a_text_all_the_same(model):
    expected = texts(completion(model, prompt="", seed=5))
    assert texts(completion(model, prompt="", seed=5, add_special_tokens=False)) == expected


def test_a_first_token_without_a_score_is_null(model):
    job = completion(
        model, prompt=[1, 2], add_special_tokens=False, echo=True, max_tokens=0, logprobs=1
    )
    deltas = run_alone(job.sequences[0])
    answer = CompletionWriter(job, model).whole([deltas], Usage(**dict.fromkeys(USAGE, 0)))
    told = answer.model_dump()["choices"][0]["logprobs"]
    assert told["token_logprobs"][0] is told["top_logprobs"][0] is None
    assert told["token_logprobs"][1] < 0
