"""The options of `LanguageModel.generate`, and notes for its user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from slm.errors import ConfigError, shown
from slm.generation.options import (
    GenerationOptions,
    hint_for_text,
    require_text,
    stop_strings,
)
from slm.quantities import counted

if TYPE_CHECKING:
    from slm.generation import Completion

DEFAULTS = GenerationOptions()
FILTERS = ("top_k", "top_p", "min_p")


def generation_options(
    *,
    n: int,
    seed: int | None,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    min_p: float,
    repetition_penalty: float,
    stop: str | Sequence[str],
) -> GenerationOptions:
    """The options of these arguments of `LanguageModel.generate`.

    Raises:
        ConfigError: a value is out of its range.
    """
    try:
        return GenerationOptions(
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            seed=seed,
            stop=stop_strings(stop),
            samples=n,
        )
    except ConfigError as error:
        name, _, problem = error.message.partition(" ")
        name = "n" if name == "samples" else name
        raise ConfigError(f"{name} {problem}", hint=error.hint) from None


def prompts_of(prompt: object) -> list[str]:
    """The argument `prompt` of `LanguageModel.generate`, a text or several, as a list.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt, bytes | bytearray | Mapping) or not isinstance(prompt, Iterable):
        raise ConfigError(
            f"prompt must be a string or a list of strings, found {shown(prompt)}",
            hint=hint_for_text(prompt),
        )
    return [require_text(f"prompt[{number}]", each) for number, each in enumerate(prompt)]


def option_notes(options: GenerationOptions) -> Iterator[str]:
    """Which options that differ from the defaults have no effect."""
    if options.temperature > 0:
        return
    given = [name for name in FILTERS if getattr(options, name) != getattr(DEFAULTS, name)]
    given += [] if options.seed is None else ["seed"]
    yield from greedy_notes(given, options.samples)


def greedy_notes(given: Sequence[str], samples: int) -> Iterator[str]:
    """What has no effect at temperature 0.

    Args:
        given: names of the filters, and of the seed, that the user chose.
        samples: continuations of each prompt.
    """
    if given:
        has = "has" if len(given) == 1 else "have"
        reason = "temperature 0 is greedy decoding"
        yield f"{' and '.join(given)} {has} no effect: {reason}"
    if samples > 1:
        yield f"at temperature 0 all {samples:,} continuations of a prompt are equal"


def completion_notes(completions: Sequence[Completion], block_size: int) -> Iterator[str]:
    """What a user should know about texts, such as a prompt that was too long."""
    context = f"the context of {counted(block_size, 'token')}"
    if any(completion.prompt_truncated for completion in completions):
        yield f"a prompt is longer than {context}: only its end was read"
    if any(completion.context_shifts for completion in completions):
        yield f"a text grew beyond {context}: its older part was dropped"
