"""Prompts that end where no token would: what is stepped back over, and what comes instead."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.errors import CheckpointError
from slm.generation import Completion, GenerationOptions, Generator
from slm.generation.healing import MOST_REPLACED, PromptEnd, TokenIndex, token_index
from slm.generation.sequence import TokenSequence
from slm.tokenizer.byte_level import ALL_BYTES, BytesTokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer
from slm.tokenizer.chars import CharsTokenizer
from tests.unit.generation.conftest import ByteTokenizer
from tests.unit.generation.words import EXPECTED, WORDS, WordEngine, ids_of, word_generator

GREEDY = GenerationOptions(max_new_tokens=2, temperature=0.0)
SAMPLED = GenerationOptions(max_new_tokens=20, temperature=1.0, top_k=None, seed=3)
both_samplers = pytest.mark.parametrize(
    "native",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
        ),
    ],
)
few_bytes = st.binary(min_size=1, max_size=4).map(lambda data: bytes(97 + b % 3 for b in data))


def unhealed(prompt: str, generator: Generator, options: GenerationOptions) -> list[Completion]:
    """The prompt's own ids continued as they are."""
    seed = options.chosen_seed()
    sequences = [
        TokenSequence(
            prompt,
            generator.tokenizer,
            options,
            seed=seed,
            index=index,
            block_size=generator.engine.block_size,
            prompt_ids=generator.tokenizer.encode(prompt),
        )
        for index in range(options.samples)
    ]
    for _ in generator._run(sequences):
        pass
    return [sequence.completion() for sequence in sequences]


# -- the vocabulary -------------------------------------------------------------------------------


@given(st.lists(few_bytes, max_size=12, unique=True), few_bytes)
def test_the_index_finds_what_a_search_through_all_tokens_finds(
    longer: list[bytes], part: bytes
) -> None:
    tokenizer = ByteTokenizer([token for token in longer if len(token) > 1])
    index = TokenIndex(tokenizer)
    content = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    beginning = {i for i, token in enumerate(content) if token.startswith(part) and token}
    assert set(index.beginning_with(part).tolist()) == beginning
    within = {i for i, t in enumerate(content) if t and len(t) < len(part) and part.startswith(t)}
    assert set(index.within(part).tolist()) == within


@given(st.lists(few_bytes, max_size=12, unique=True), st.lists(st.integers(0, 20), max_size=12))
def test_as_many_ids_are_replaceable_as_a_longer_token_could_reach_into(
    longer: list[bytes], places: list[int]
) -> None:
    tokenizer = ByteTokenizer([token for token in longer if len(token) > 1])
    usable = [97, 98, 99, *range(256, tokenizer.eot_id)]
    ids = [usable[place % len(usable)] for place in places]
    content = tokenizer.decode_bytes(ids[-MOST_REPLACED:])
    reaches = [
        len(part)
        for token in map(tokenizer.token_bytes, range(tokenizer.vocab_size))
        for part in (token[:n] for n in range(1, len(token)))
        if content.endswith(part)
    ]
    sizes = [len(tokenizer.token_bytes(i)) for i in reversed(ids)]
    sums = [0, *itertools.accumulate(sizes)]
    expected = next(n for n, size in enumerate(sums) if size >= max(reaches, default=0))
    assert TokenIndex(tokenizer).replaceable(ids) == expected


def test_the_highest_bytes_are_found_too() -> None:
    index = TokenIndex(ByteTokenizer([b"\xff\xff", b"\xff\xff\xff"]))
    assert index.beginning_with(b"\xff").tolist() == [255, 256, 257]
    assert index.beginning_with(b"\xff\xff\xff").tolist() == [257]


@given(st.text())
def test_bytes_and_characters_have_no_ends_to_heal(text: str) -> None:
    for tokenizer in (BytesTokenizer(), CharsTokenizer("abcdeé \n")):
        assert token_index(tokenizer).replaceable(tokenizer.encode(text)) == 0


def test_the_index_of_a_tokenizer_is_made_once() -> None:
    assert token_index(WORDS) is token_index(WORDS)


# -- texts ----------------------------------------------------------------------------------------


@both_samplers
def test_a_space_at_the_end_becomes_the_next_word_s(native: bool) -> None:
    engine = WordEngine(native=native)
    (found,) = Generator(engine, WORDS).complete([" fox "], GREEDY)
    assert found.prompt + found.text == " fox ran."
    assert found.ids == (*ids_of(b" ran"), *ids_of(b"."))
    assert found.prompt_tokens == 2
    assert engine.prefilled == [ids_of(b"", b" fox")]
    (before,) = unhealed(" fox ", word_generator(native=native), GREEDY)
    assert before.text.startswith("x")


@pytest.mark.parametrize(("own", "is_kept"), [(1.0, False), (1.5, False), (1.7, True)])
def test_words_after_white_space_are_weighed_together(own: float, is_kept: bool) -> None:
    """Of five words, each of a logit of 0, one alone would be likelier than the space below 0."""
    space, *words = ids_of(b" ", b" ran", b" lit", b" little", b" fox", b" foxes")
    logits = np.full(WORDS.vocab_size, -50.0)
    logits[words], logits[space] = 0.0, own
    end = PromptEnd(token_index(WORDS), [space])
    assert end.own_next(logits) == (space if is_kept else None)
    # In a word, one of the others has to be likelier by far.
    (fox,) = ids_of(b" fox")
    end = PromptEnd(token_index(WORDS), [fox])
    logits[fox], logits[ids_of(b" foxes")] = 0.0, own - 0.2
    assert end.own_next(logits) == (None if own == 1.7 else fox)


@both_samplers
def test_a_word_that_was_begun_is_ended(native: bool) -> None:
    """` litt` is two tokens: to the model the first is likely, the second hardly possible."""
    assert WORDS.encode(" fox litt") == ids_of(b" fox", b" lit", b"t")
    engine = WordEngine(native=native)
    (found,) = Generator(engine, WORDS).complete([" fox litt"], GREEDY)
    assert found.prompt + found.text == " fox little fox"
    assert engine.prefilled == [ids_of(b"", b" fox")]
    # Where ` lit` is as likely as ` little`, the model has read it before it is replaced, and the
    # text is read again.
    fox = {**EXPECTED[b" fox"], b" ran": 0.0, b" lit": 8.5}
    engine = WordEngine({**EXPECTED, b" fox": fox}, native=native)
    (found,) = Generator(engine, WORDS).complete([" fox litt"], GREEDY)
    assert found.prompt + found.text == " fox little fox"
    assert engine.prefilled == [ids_of(b"", b" fox"), ids_of(b"", b" fox", b" little")]


@both_samplers
def test_white_space_may_be_cut_elsewhere(native: bool) -> None:
    """Before a word two line breaks are two tokens; at the end of a text they are one."""
    assert WORDS.encode(" fox\n\n") == ids_of(b" fox", b"\n\n")
    assert WORDS.encode("\n\nx") == ids_of(b"\n", b"\n", b"x")
    engine = WordEngine(
        {b" fox": {b"\n": 9.0}, b"\n": {b"\n": 9.0}, b"\n\n": {b"": 9.0}}, native=native
    )
    generator = Generator(engine, WORDS)
    (found,) = generator.complete([" fox\n\n"], dataclasses.replace(GREEDY, max_new_tokens=1))
    assert found.text == "\n"  # not the end
    assert engine.prefilled == [ids_of(b"", b" fox")]
    engine = WordEngine({b" fox": {b"\n": 9.0}, b"\n": {b" fox": 9.0, b"\n": 8.9}}, native=native)
    (found,) = Generator(engine, WORDS).complete([" fox\n\n"], GREEDY)
    assert found.prompt + found.text == " fox\n\n fox\n"
    assert found.ids == (*ids_of(b" fox"), *ids_of(b"\n"))


@both_samplers
@pytest.mark.parametrize("prompt", [" fox", " fox ran", "a fox", " little", "", "x", " fox little"])
def test_an_end_that_the_model_would_have_written_is_left_alone(native: bool, prompt: str) -> None:
    generator = word_generator(native=native)
    for options in (GREEDY, SAMPLED, dataclasses.replace(SAMPLED, repetition_penalty=1.3)):
        several = dataclasses.replace(options, samples=3, seed=5)
        assert generator.complete([prompt], several) == unhealed(prompt, generator, several)


def test_a_likelier_token_that_is_not_much_likelier_replaces_nothing() -> None:
    """` fox` is the beginning of ` foxes`, and a word by itself."""
    for others, text in ((3.0 * 9, "."), (5.0 * 9, "es")):
        engine = WordEngine(
            {b"a": {b" fox": np.log(9.0), b" foxes": np.log(others)}, b" fox": {b".": 9.0}},
            native=False,
        )
        generator = Generator(engine, WORDS)
        (found,) = generator.complete(["a fox"], dataclasses.replace(GREEDY, max_new_tokens=1))
        assert found.text == text


PROMPTS = [" fox ", " fox litt", "a fox", " fox\n\n", "", " ", "a fox ran ", "  ", " foxe", "\n"]


@both_samplers
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_is_the_same_alone_and_in_company(native: bool, temperature: float) -> None:
    options = dataclasses.replace(SAMPLED, temperature=temperature, samples=2)
    together = word_generator(native=native).complete(PROMPTS, options)
    in_threes = word_generator(native=native, n_slots=3).complete(PROMPTS, options)
    alone = [
        found for p in PROMPTS for found in word_generator(native=native).complete([p], options)
    ]
    assert together == in_threes == alone
    assert [found.prompt for found in together[::2]] == PROMPTS
    for prompt in PROMPTS:
        events = list(word_generator(native=native).stream(prompt, options))
        done = [event.completion for event in events if event.completion is not None]
        assert done == word_generator(native=native).complete([prompt], options)
        assert "".join(event.text for event in events) == "".join(found.text for found in done)
        written = [event.token_id for event in events if event.token_id != WORDS.eot_id]
        assert written == [token_id for found in done for token_id in found.ids]


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 5, 6, 7])
def test_contexts_that_are_full(block_size: int) -> None:
    for prompt in PROMPTS:
        generator = word_generator(block_size=block_size, native=False)
        (found,) = generator.complete([prompt], SAMPLED)
        assert 1 <= found.new_tokens <= 20 or found.finish_reason == "end"
        assert found.prompt_tokens == len(WORDS.encode(prompt))
    # As many ids as fit: what is stepped back over has been cut off its beginning.
    engine = WordEngine(block_size=4, native=False)
    generator = Generator(engine, WORDS)
    (found,) = generator.complete(["a fox ran fox "], GREEDY)
    assert found.text == "ran."
    assert found.prompt_truncated
    assert engine.prefilled[0] == ids_of(b" fox", b" ran", b" fox")


def test_only_new_text_is_counted_and_looked_at() -> None:
    generator = word_generator(native=False)
    one = dataclasses.replace(GREEDY, max_new_tokens=1)
    (found,) = generator.complete([" fox "], one)
    assert (found.text, found.new_tokens, found.finish_reason) == ("ran", 1, "length")
    (found,) = generator.complete([" fox "], dataclasses.replace(GREEDY, stop=(" r", "\n")))
    assert found.text == "ran."
    (found,) = generator.complete([" fox "], dataclasses.replace(GREEDY, stop=("an",)))
    assert (found.text, found.finish_reason) == ("r", "stop")


def test_the_penalty_acts_on_what_takes_the_end_s_place() -> None:
    options = dataclasses.replace(GREEDY, max_new_tokens=1, repetition_penalty=2.0)
    (found,) = word_generator(native=False).complete([" ran fox "], options)
    assert found.text == "little"


def test_filters_choose_among_what_is_possible() -> None:
    options = dataclasses.replace(SAMPLED, max_new_tokens=1, top_k=2, samples=40)
    found = word_generator(native=False).complete([" fox "], options)
    assert {each.text for each in found} == {"ran", "little"}
    assert (
        len(
            {
                each.text
                for each in word_generator(native=False).complete(
                    [" fox "], dataclasses.replace(options, top_k=1)
                )
            }
        )
        == 1
    )


class Diverged(WordEngine):
    """All logits have one value."""

    def __init__(self, value: float, *, native: bool) -> None:
        super().__init__(native=native)
        self.value = np.float32(value)

    def _logits(self, slots: Any) -> Any:
        return np.full((len(slots), WORDS.vocab_size), self.value)


@both_samplers
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("prompt", [" fox ", " fox litt", "a"])
def test_a_diverged_model_is_an_error(native: bool, value: float, prompt: str) -> None:
    with pytest.raises(CheckpointError, match="finite"):
        Generator(Diverged(value, native=native), WORDS).complete([prompt], GREEDY)


def test_an_end_inside_a_character_is_healed_as_well() -> None:
    """A token may hold a part of a character."""
    fox = "🦊".encode()
    tokenizer = BytePairTokenizer("parts", [*ALL_BYTES, fox[2:], fox[:2], fox[3:] + b"!"])
    assert tokenizer.encode("🦊") == [*tokenizer.encode("🦊")[:-1], 256]
    index = token_index(tokenizer)
    assert index.replaceable(tokenizer.encode("🦊")) == 1
