from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch

from slm.errors import CheckpointError, ConfigError, TokenizerError
from slm.generation import Completion, GenerationOptions, Generator, TorchEngine
from slm.generation.sampling import penalize_repetition
from slm.generation.text import whole_characters
from slm.model import GPT

GREEDY = GenerationOptions(max_new_tokens=8, temperature=0.0)
SAMPLED = GenerationOptions(max_new_tokens=40, temperature=1.0, top_k=20, seed=11)
PROMPTS = ["Once", "", "A dog and a cat", "é", "To bed, said the mouse, and slept until noon"]


def streamed(generator: Generator, prompt: str, options: GenerationOptions) -> list[Completion]:
    """The completions of a stream whose events must agree with them."""
    completions, text, ids = [], "", []
    for event in generator.stream(prompt, options):
        text += event.text
        ids.append(event.token_id)
        if event.completion is not None:
            completion = event.completion
            assert completion.text == text
            if completion.finish_reason == "end":
                assert ids.pop() == generator.tokenizer.eot_id
            assert list(completion.ids) == ids
            completions.append(completion)
            text, ids = "", []
    assert not ids
    return completions


def test_greedy_is_the_likeliest_token_of_the_uncached_model(model: GPT, tokenizer: Any) -> None:
    (completion,) = Generator(TorchEngine(model), tokenizer).complete(["One"], GREEDY)
    start = torch.tensor([[tokenizer.eot_id, *b"One"]])
    expected = model.generate(start, 8, temperature=0.0)[0, 4:].tolist()
    assert len(set(expected)) > 1
    assert list(completion.ids) == expected
    assert completion.text == whole_characters(tokenizer.decode_bytes(expected))[0]
    assert completion.finish_reason == "length"
    assert completion.new_tokens == 8
    assert completion.prompt_tokens == 3
    assert not completion.prompt_truncated


def test_tokens_without_bytes_count_as_well(scripted: Any, make_tokenizer: Any) -> None:
    """Imported tokenizers have some: padding, or the beginning of a text."""
    tokenizer = make_tokenizer(longer=[b""])
    engine = scripted([256, ord("a"), 256, 256], tokenizer.vocab_size)
    options = dataclasses.replace(GREEDY, max_new_tokens=3)
    (completion,) = streamed(Generator(engine, tokenizer), "Once", options)
    assert completion.ids == (256, ord("a"), 256)
    assert completion.text == "a"
    assert completion.finish_reason == "length"


def test_streams_of_a_model_in_training_may_overlap(model: GPT, tokenizer: Any) -> None:
    model.train()
    (expected,) = Generator(TorchEngine(model), tokenizer).complete(["Once"], SAMPLED)
    long = Generator(TorchEngine(model), tokenizer).stream("Once", SAMPLED)
    short = Generator(TorchEngine(model), tokenizer).stream("", GREEDY)
    events = [next(short), next(long), *short, *long]
    assert events[-1].completion == expected
    assert model.training


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_does_not_depend_on_its_batch(
    model: GPT, tokenizer: Any, temperature: float
) -> None:
    options = dataclasses.replace(SAMPLED, temperature=temperature, repetition_penalty=1.2)
    together = Generator(TorchEngine(model), tokenizer).complete(PROMPTS, options)
    in_threes = Generator(TorchEngine(model, 3), tokenizer).complete(PROMPTS, options)
    alone = [
        Generator(TorchEngine(model), tokenizer).complete([prompt], options)[0]
        for prompt in PROMPTS
    ]
    assert [completion.prompt for completion in together] == PROMPTS
    assert together == in_threes == alone
    assert any(completion.context_shifts for completion in together)


def test_streaming_gives_the_same_text(model: GPT, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(model), tokenizer)
    options = dataclasses.replace(SAMPLED, samples=2)
    for prompt in PROMPTS:
        assert streamed(generator, prompt, options) == generator.complete([prompt], options)


def test_other_texts_may_be_generated_while_a_stream_is_read(model: GPT, tokenizer: Any) -> None:
    prompts = ["One", "A dog"]
    generator = Generator(TorchEngine(model), tokenizer)
    expected = generator.complete(prompts, SAMPLED)
    greedy = dataclasses.replace(GREEDY, seed=1)
    between = generator.complete(PROMPTS, greedy)
    found = {}
    streams = [generator.stream(prompt, SAMPLED) for prompt in prompts]
    for events in itertools.zip_longest(*streams):
        for event in events:
            if event is not None and event.completion is not None:
                found[event.completion.prompt] = event.completion
        assert generator.complete(PROMPTS, greedy) == between
    assert [found[prompt] for prompt in prompts] == expected


def test_what_is_no_prompt_is_named(make_model: Any, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(make_model("gpt2")), tokenizer)
    with pytest.raises(ConfigError, match="prompts must be a list of strings, found 'One'"):
        generator.complete("One", SAMPLED)
    for bad in (None, 3, b"One"):
        with pytest.raises(ConfigError, match="prompt must be a string, found"):
            generator.complete([bad], SAMPLED)
        with pytest.raises(ConfigError, match="prompt must be a string, found"):
            next(generator.stream(bad, SAMPLED))


def test_seeds_decide_the_text(make_model: Any, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(make_model("modern")), tokenizer)
    options = dataclasses.replace(SAMPLED, samples=3)
    one, again = (generator.complete(["One"], options) for _ in range(2))
    other = generator.complete(["One"], dataclasses.replace(options, seed=12))
    assert one == again
    assert len({completion.ids for completion in [*one, *other]}) == 6
    assert [(completion.seed, completion.index) for completion in one] == [
        (11, i) for i in range(3)
    ]


def test_more_tokens_only_go_on_with_the_same_text(make_model: Any, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(make_model("gpt2")), tokenizer)
    long = generator.complete(["One"], SAMPLED)[0]
    short = generator.complete(["One"], dataclasses.replace(SAMPLED, max_new_tokens=25))[0]
    assert long.ids[:25] == short.ids


def test_without_a_seed_the_one_used_is_reported(make_model: Any, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(make_model("gpt2")), tokenizer)
    options = dataclasses.replace(SAMPLED, seed=None)
    first = generator.complete(["One"], options)[0]
    again = generator.complete(["One"], dataclasses.replace(options, seed=first.seed))[0]
    assert first == again
    assert generator.complete(["One"], options)[0].seed != first.seed


def test_the_older_half_is_forgotten_when_the_context_is_full(model: GPT, tokenizer: Any) -> None:
    options = dataclasses.replace(GREEDY, max_new_tokens=50)
    (completion,) = Generator(TorchEngine(model), tokenizer).complete(["Hello"], options)
    ids, context, n_shifts = [], [tokenizer.eot_id, *b"Hello"], 0
    model.eval()
    for _ in range(50):
        with torch.no_grad():
            logits, _ = model(torch.tensor([context]), last_only=True)
        ids.append(int(logits[0, -1, : tokenizer.vocab_size].argmax()))
        context.append(ids[-1])
        if len(context) > 16 and len(ids) < 50:
            context, n_shifts = context[-8:], n_shifts + 1
    assert list(completion.ids) == ids
    assert completion.context_shifts == n_shifts == 5


def test_the_repetition_penalty_looks_at_the_whole_text(model: GPT, tokenizer: Any) -> None:
    options = dataclasses.replace(GREEDY, max_new_tokens=30, repetition_penalty=1.7)
    (completion,) = Generator(TorchEngine(model), tokenizer).complete(["Hello"], options)
    ids, context = [], [tokenizer.eot_id, *b"Hello"]
    seen = torch.zeros(1, tokenizer.vocab_size, dtype=torch.bool)
    seen[0, list(b"Hello")] = True  # not the end-of-text token, which stands for no text
    model.eval()
    for _ in range(30):
        with torch.no_grad():
            logits, _ = model(torch.tensor([context]), last_only=True)
        logits = penalize_repetition(logits[:, -1, : tokenizer.vocab_size], 1.7, seen)
        ids.append(int(logits.argmax()))
        seen[0, ids[-1]] = True
        context.append(ids[-1])
        if len(context) > 16:
            context = context[-8:]
    assert completion.context_shifts > 0
    assert list(completion.ids) == ids


@pytest.mark.parametrize("block_size", [1, 2, 3])
def test_tiny_contexts_work(make_model: Any, tokenizer: Any, block_size: int) -> None:
    generator = Generator(TorchEngine(make_model("gpt2", block_size=block_size)), tokenizer)
    completions = generator.complete(["abcdef", ""], SAMPLED)
    assert all(completion.new_tokens >= 1 for completion in completions)
    assert streamed(generator, "abcdef", SAMPLED) == completions[:1]


def test_a_prompt_longer_than_the_context_keeps_its_last_part(model: GPT, tokenizer: Any) -> None:
    prompt = "The beginning is lost: " + "x" * 16
    one, other, fits = Generator(TorchEngine(model), tokenizer).complete(
        [prompt, "x" * 16, "x" * 15], dataclasses.replace(GREEDY, max_new_tokens=20)
    )
    assert one.prompt_truncated
    assert other.prompt_truncated  # the end-of-text token before it needs a place, too
    assert not fits.prompt_truncated
    assert one.text == other.text
    assert one.prompt_tokens == len(prompt)


def test_ids_beyond_the_tokenizer_are_never_sampled(make_model: Any, tokenizer: Any) -> None:
    model = make_model("gpt2", vocab_size=400)
    generator = Generator(TorchEngine(model), tokenizer)
    for options in (GREEDY, dataclasses.replace(SAMPLED, top_k=None, temperature=2.0, samples=4)):
        for completion in generator.complete(["One"], options):
            assert max(completion.ids) < tokenizer.vocab_size


def scripted_generator(scripted: Any, tokenizer: Any, script: list[int]) -> Generator:
    return Generator(scripted(script, tokenizer.vocab_size), tokenizer)


def test_the_end_of_text_token_ends_the_text(scripted: Any, tokenizer: Any) -> None:
    script = [*b"The end.", tokenizer.eot_id]
    generator = scripted_generator(scripted, tokenizer, script)
    (completion,) = streamed(generator, "Go", dataclasses.replace(GREEDY, max_new_tokens=20))
    assert completion.text == "The end."
    assert completion.finish_reason == "end"
    assert list(completion.ids) == script[:-1]


def test_stop_strings_may_span_tokens(scripted: Any, make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer([b"wood. The", b" en", b"d of"])
    generator = scripted_generator(scripted, tokenizer, [ord(" "), 256, 257, 258])
    options = dataclasses.replace(GREEDY, stop=("sleep", "The end"))
    (completion,) = streamed(generator, "Go", options)
    assert completion.text == " wood. "
    assert completion.finish_reason == "stop"
    assert completion.ids == (ord(" "), 256, 257, 258)


def test_what_might_have_become_a_stop_string_is_shown_at_the_end(
    scripted: Any, tokenizer: Any
) -> None:
    script = [*b"on the", tokenizer.eot_id]
    generator = scripted_generator(scripted, tokenizer, script)
    (completion,) = streamed(generator, "Go", dataclasses.replace(GREEDY, stop=("there",)))
    assert completion.text == "on the"
    assert completion.finish_reason == "end"


@pytest.mark.parametrize(("n_tokens", "text"), [(13, "a😀é漢字"), (9, "a😀é"), (2, "a"), (1, "a")])
def test_streamed_text_is_whole_characters(
    scripted: Any, tokenizer: Any, n_tokens: int, text: str
) -> None:
    script = list("a😀é漢字".encode())
    generator = scripted_generator(scripted, tokenizer, [*script, tokenizer.eot_id])
    options = dataclasses.replace(GREEDY, max_new_tokens=n_tokens)
    events = list(generator.stream("Go", options))
    assert "".join(event.text for event in events) == text
    assert len(events[-1].completion.ids) == n_tokens  # those of the unfinished character included


def test_only_a_text_that_is_cut_lacks_its_unfinished_character(
    scripted: Any, tokenizer: Any
) -> None:
    genuine = "a\ufffd".encode()
    for script, n_tokens, text in (
        ([*genuine, 0xF0, 0x9F], 6, "a\ufffd"),  # what the model wrote itself stays
        ([*genuine[:3], 0x62], 4, "a\ufffdb"),
        ([*b"a\xf0\x9f", 256], 9, "a\ufffd"),  # it has ended the text, and nothing can follow
    ):
        generator = scripted_generator(scripted, tokenizer, script)
        options = dataclasses.replace(GREEDY, max_new_tokens=n_tokens)
        (completion,) = streamed(generator, "Go", options)
        assert completion.text == text


def test_a_batch_goes_on_without_the_sequences_that_ended(make_model: Any, tokenizer: Any) -> None:
    model = make_model("modern")
    sizes = []
    engine = TorchEngine(model)
    generator = Generator(engine, tokenizer)
    decode = engine.decode
    engine.decode = lambda slots, ids: (sizes.append(len(ids)), decode(slots, ids))[1]  # type: ignore[method-assign]
    options = dataclasses.replace(
        SAMPLED, max_new_tokens=10, samples=6, stop=tuple(map(chr, range(32, 96)))
    )
    completions = generator.complete(["One"], options)
    lengths = [completion.new_tokens for completion in completions]
    assert min(lengths) < 10
    assert sizes == [sum(length > n for length in lengths) for n in range(1, max(lengths))]


def test_training_goes_on_as_before(model: GPT, tokenizer: Any) -> None:
    model.train()
    generator = Generator(TorchEngine(model), tokenizer)
    generator.complete(["One"], SAMPLED)
    assert model.training
    stream = generator.stream("One", SAMPLED)
    next(stream)
    stream.close()
    assert model.training
    ids = torch.tensor([[1, 2, 3]])
    _, loss = model(ids, ids)
    loss.backward()
    assert torch.is_grad_enabled()


def test_between_two_tokens_of_a_stream_gradients_can_be_made(
    make_model: Any, tokenizer: Any
) -> None:
    stream = Generator(TorchEngine(make_model("gpt2")), tokenizer).stream("One", SAMPLED)
    next(stream)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_the_global_random_state_is_left_alone(make_model: Any, tokenizer: Any) -> None:
    generator = Generator(TorchEngine(make_model("gpt2")), tokenizer)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generator.complete(["One"], SAMPLED)
    assert torch.equal(torch.rand(3), expected)


def test_no_prompts_have_no_completions(make_model: Any, tokenizer: Any) -> None:
    assert Generator(TorchEngine(make_model("gpt2")), tokenizer).complete([]) == []


def test_a_tokenizer_with_more_ids_than_the_model_is_an_error(
    make_model: Any, tokenizer: Any
) -> None:
    with pytest.raises(TokenizerError, match=r"257.*only 256"):
        Generator(TorchEngine(make_model("gpt2", vocab_size=256)), tokenizer)


def test_a_diverged_model_is_an_error(make_model: Any, tokenizer: Any) -> None:
    model = make_model("gpt2").train()
    with torch.no_grad():
        model.final_norm.weight.fill_(math.nan)
    with pytest.raises(CheckpointError, match="finite"):
        Generator(TorchEngine(model), tokenizer).complete(["One"])
    assert model.training
