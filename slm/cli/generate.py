"""`slm generate`: continue prompts."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.api.generation import completion_notes, greedy_notes
from slm.api.loading import load
from slm.cli.no_effect import note_idle
from slm.cli.options import (
    Checkpoint,
    Device,
    Json,
    WeightDtype,
    generation_options,
    typed_text,
    unescaped,
)
from slm.cli.output import print_json
from slm.errors import UsageError
from slm.quantities import counted
from slm.reporting.display import say
from slm.storage.encodings import conversion_hint, encoding_of
from slm.storage.safe_reading import read_at_most

if TYPE_CHECKING:
    from slm.generation import Completion, GenerationOptions, Generator

MAX_PROMPTS_BYTES = 16 << 20
SAMPLING = ("top_k", "top_p", "min_p", "seed")
"""Options without effect at temperature 0."""


def generate(
    context: typer.Context,
    checkpoint: Checkpoint = None,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="The text to continue.")
    ] = None,
    samples: Annotated[
        int, typer.Option("-n", "--samples", metavar="N", help="Continuations of each prompt.")
    ] = 1,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", metavar="N", help="Maximum number of new tokens.")
    ] = 200,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            metavar="T",
            help="Sampling temperature; 0 is greedy decoding, 1 samples from the model's "
            "unmodified distribution.",
        ),
    ] = 0.8,
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k", metavar="K", help="Sample from the K most likely tokens; 0: from all."
        ),
    ] = 50,
    top_p: Annotated[
        float,
        typer.Option(
            "--top-p",
            metavar="P",
            help="Sample from the most likely tokens whose probabilities add up to this.",
        ),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(
            "--min-p",
            metavar="P",
            help="Drop tokens whose probability is below this fraction of the highest one.",
        ),
    ] = 0.0,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            "--repetition-penalty",
            metavar="R",
            help="Above 1, tokens that are already in the text become less likely.",
        ),
    ] = 1.0,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            "--stop",
            metavar="TEXT",
            help=r"End before this text; may be given several times. \n is a line break, "
            r"\t a tab, and \\ a backslash.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", help="The same seed gives the same text.  [random]"),
    ] = None,
    device: Device = None,
    dtype: WeightDtype = "auto",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="PROMPTS", help="A file with one prompt per line; - is stdin."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Continue a prompt, or several, with a trained model.

    A single continuation is printed while it is generated. Speed and seed go to stderr.
    """
    prompts = _prompts(prompt, file)
    options = generation_options(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
        stop=tuple(unescaped(typed_text(each)) for each in stop or ()),
        samples=samples,
    )
    if temperature == 0:
        note_idle(context, SAMPLING, "temperature 0 is greedy decoding")
        for sentence in greedy_notes([], samples):
            say(f"note: {sentence}")
    lm = load(checkpoint, device=device or "auto", dtype=dtype)
    generator = lm.generator
    started_at = time.perf_counter()
    if len(prompts) == samples == 1 and not as_json:
        completions = [_stream(generator, prompts[0], options)]
    else:
        completions = generator.complete(prompts, options)
    seconds = time.perf_counter() - started_at
    tokens = sum(completion.new_tokens for completion in completions)
    if as_json:
        print_json(
            {
                "checkpoint": str(lm.path),
                "seed": completions[0].seed,
                "options": asdict(options),
                "prompts": prompts,
                "texts": [completion.prompt + completion.text for completion in completions],
                "samples": [_described(completion) for completion in completions],
                "tokens": tokens,
                "seconds": seconds,
                "tokens_per_second": tokens / seconds,
            }
        )
    elif len(completions) > 1:
        _print_separated(completions)
    for sentence in completion_notes(completions, lm.config.block_size):
        say(f"note: {sentence}")
    say(
        f"seed {completions[0].seed}, {counted(tokens, 'token')} in {seconds:.1f} s, "
        f"{tokens / seconds:,.0f} tokens/s"
    )


def _prompts(prompt: str | None, file: Path | None) -> list[str]:
    """The prompt of the command line, or those of a file, one per line without empty lines.

    Raises:
        UsageError: there is none, or the file cannot be read.
    """
    if file is None:
        if prompt is None:
            raise UsageError(
                "a prompt is missing", hint='give one, such as "Once upon a time", or use --file'
            )
        return [typed_text(prompt)]
    if prompt is not None:
        raise UsageError("a prompt and --file are both given", hint="give one of the two")
    source = "standard input" if str(file) == "-" else f"the file {file}"
    try:
        if str(file) == "-":
            content = read_at_most(sys.stdin.buffer, MAX_PROMPTS_BYTES)
        else:
            with file.open("rb") as stream:  # may be a pipe, such as <(command)
                content = read_at_most(stream, MAX_PROMPTS_BYTES)
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise _not_utf8(source, file, content, "it contains a zero byte")
    except OSError as error:
        raise UsageError(
            f"cannot read the prompts of {source}: {error.strerror or error}"
        ) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(source, file, content, f"{error.reason} at byte {error.start:,}") from None
    # Not splitlines(), which also splits at characters that may be part of a prompt.
    prompts = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if not prompts:
        raise UsageError(f"{source} contains no prompt", hint="write one prompt per line")
    return prompts


def _not_utf8(source: str, file: Path, content: bytes, reason: str) -> UsageError:
    encoding = encoding_of(io.BytesIO(content))
    hint = conversion_hint(encoding, file if file.is_file() else None)
    return UsageError(f"the prompts of {source} are not UTF-8: {reason}", hint=hint)


def _stream(generator: Generator, prompt: str, options: GenerationOptions) -> Completion:
    """Print a text while it is generated."""
    seed = options.chosen_seed()
    print(prompt, end="", flush=True)
    try:
        for event in generator.stream(prompt, replace(options, seed=seed)):
            print(event.text, end="", flush=True)
            if event.completion is not None:
                print()
                return event.completion
    except KeyboardInterrupt:
        print(flush=True)
        say(f"seed {seed}")  # with which the same text begins
        raise
    raise AssertionError("a stream ends with a completion")


def _print_separated(completions: list[Completion]) -> None:
    for number, completion in enumerate(completions, start=1):
        print(f"--- {number} of {len(completions)} ---")
        print(completion.prompt + completion.text)
        if number < len(completions):
            print()


def _described(completion: Completion) -> dict[str, object]:
    return {
        "prompt": completion.prompt,
        "index": completion.index,
        "text": completion.prompt + completion.text,
        "continuation": completion.text,
        "finish_reason": completion.finish_reason,
        "tokens": completion.new_tokens,
        "prompt_tokens": completion.prompt_tokens,
        "prompt_truncated": completion.prompt_truncated,
        "context_shifts": completion.context_shifts,
    }
