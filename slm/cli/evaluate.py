"""`slm eval`: loss, perplexity and bits per byte of a text, or a test suite."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.api.data import Scored, refuse_contradictions, score
from slm.api.language_model import LanguageModel
from slm.api.loading import load
from slm.api.suites import SUITES, keep_result
from slm.cli.no_effect import refuse_idle
from slm.cli.options import Checkpoint, Device, Json, Source
from slm.cli.output import print_json, print_table
from slm.errors import UsageError
from slm.reporting.display import say, scoring_progress

if TYPE_CHECKING:
    from slm.evals import EvalResult
    from slm.evals.suite import Score


def evaluate(
    context: typer.Context,
    checkpoint: Checkpoint = None,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            metavar="NAME",
            help=f"{', '.join(SUITES)}: run a test suite instead of scoring a text.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A directory made by `slm prepare`."),
    ] = None,
    source: Source = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="train, validation or all.  [validation; for a single file: all]",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            help="With a suite: samples per prompt (stories), pairs per kind (facts) or "
            "paradigm (blimp).  [4; 100; all; over time: 2; 50; 50, and 200 stories for the loss]",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", help="Seed of a suite's items and intervals.  [0]"),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            metavar="URL",
            help="Score a model on this server instead (OpenAI's completions API with echo).",
        ),
    ] = None,
    end_of_text: Annotated[
        str | None,
        typer.Option(
            "--end-of-text",
            metavar="TOKEN",
            help="End-of-text token of the model of --endpoint.  [the server's]",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="URL",
            help="With the suite stories: grade them with a model on this server (OpenAI's chat "
            "API).",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to use on --endpoint or --judge.  [the server's only one]",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Start the judge without confirmation.")
    ] = False,
    device: Device = None,
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="float32, bfloat16, float16, int8 (that of `slm generate`), or auto.",
        ),
    ] = "float32",
    over_time: Annotated[
        bool,
        typer.Option(
            "--over-time",
            help="Test every checkpoint that the run kept. --suite is loss, stories, facts or "
            "blimp, or several of them, separated by commas.  [loss,stories,facts]",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure loss, perplexity and bits per byte on prepared data or on any text.

    Every token of every story is scored once, including the end-of-text token, with the start of
    the story as context. A single file is scored as a whole.

    A suite tests what the model can do: stories measures the stories that it writes, facts asks
    what happened in a story of the built-in world, and blimp tests English grammar. With a suite,
    --source is the text that stories are compared with, or the files of blimp.

    --endpoint scores a text by the same rules with a model in another program.

    --over-time shows at which step of its training a model learned what. The run keeps checkpoints
    for this if it is trained with --set keep=ladder.
    """
    if over_time:
        from slm.cli.over_time import evaluate_over_time

        idle = ("data", "split", "dtype", "endpoint", "end_of_text", "judge", "model", "yes")
        refuse_idle(context, idle, "--over-time has items of its own")
        evaluate_over_time(checkpoint, suite, source, limit, seed or 0, device, as_json=as_json)
        return
    if endpoint is not None:
        here = ("checkpoint", "suite", "data", "device", "dtype", "limit", "seed", "judge", "yes")
        refuse_idle(context, here, "--endpoint scores a text with the model of a server")
        _evaluate_endpoint(endpoint, model, source, split, end_of_text, as_json=as_json)
        return
    refuse_idle(context, ("end_of_text",), "only --endpoint needs it")
    if judge is None:
        refuse_idle(context, ("model",), "there is neither an --endpoint nor a --judge")
        refuse_idle(context, ("yes",), "there is no --judge")
    elif suite != "stories":
        refuse_idle(context, ("judge",), "it grades what --suite stories writes")
    if suite is not None:
        refuse_idle(context, ("data", "split", "dtype"), "a suite has items of its own")
        asked = None if judge is None else (judge, model, yes)
        _evaluate_suite(checkpoint, suite, source, limit, seed or 0, device, asked, as_json=as_json)
        return
    refuse_idle(context, ("limit", "seed"), "only suites have it")
    refuse_contradictions(data, source, split, dashes="--")
    lm = load(checkpoint, device=device or "auto", dtype=dtype)
    started_at = time.perf_counter()
    with scoring_progress() as report:
        scored = score(lm, data, source, split, dtype=dtype, report=report, log=say)
    seconds = time.perf_counter() - started_at
    _print_result(scored, lm, str(data or source), seconds, as_json=as_json)


def _evaluate_endpoint(
    address: str,
    model: str | None,
    source: str | None,
    split: str | None,
    end_of_text: str | None,
    *,
    as_json: bool,
) -> None:
    from slm.api.endpoints import score_endpoint

    if source is None:
        raise UsageError(
            "give the text to evaluate on: --source", hint="for example: --source book.txt"
        )
    refuse_contradictions(None, source, split, dashes="--")
    started_at = time.perf_counter()
    with scoring_progress() as report:
        scored = score_endpoint(
            address, source, split, model=model, end_of_text=end_of_text, report=report, log=say
        )
    seconds = time.perf_counter() - started_at
    if as_json:
        where = {"endpoint": scored.endpoint, "model": scored.model, "text": source}
        more = {"split": scored.split, "seconds": seconds}
        print_json({**scored.result.to_json(), **where, **more})
        return
    _print_measures(scored.result)
    say(f"{scored.model} at {scored.endpoint}, in {seconds:.1f} s")


def _evaluate_suite(
    checkpoint: Path | None,
    suite: str,
    source: str | None,
    limit: int | None,
    seed: int,
    device: str | None,
    judge: tuple[str, str | None, bool] | None,
    *,
    as_json: bool,
) -> None:
    from slm.cli.judge import grades, judge_to_ask

    lm = load(checkpoint, device=device or "auto")
    with judge_to_ask(judge, limit) as endpoint:
        started_at = time.perf_counter()
        result = lm.evaluate(suite, source=source, limit=limit, seed=seed)
        if limit is None and (source is None or suite == "blimp"):
            keep_result(lm, result, log=say)  # for `slm report` and `slm compare`
        judged = None if endpoint is None else grades(endpoint, result)
        seconds = time.perf_counter() - started_at
    if as_json:
        where = {"checkpoint": str(lm.path), "step": lm.state.step, "seconds": seconds}
        more = {} if judged is None else {"judge": judged.to_json()}
        print_json({**result.to_json(), **more, **where})
        return
    parts = [*result.parts, *([] if result.score is None else [result.score])]
    parts += [] if judged is None else judged.scores
    print_table([("", "score", "95% interval", "items"), *(_row(part) for part in parts)])
    if judged is not None:
        missing = f", {judged.missing} without an answer" if judged.missing else ""
        say(f"grammar to plot are the grades of {judged.model} (10 is 100){missing}")
    say(f"{lm.path}, step {lm.state.step:,}, in {seconds:.1f} s")


def _row(part: Score) -> tuple[str, ...]:
    return part.name, f"{part.value:5.1f}", f"{part.low:.1f} to {part.high:.1f}", f"{part.n:,}"


def _print_result(
    scored: Scored, lm: LanguageModel, text: str, seconds: float, *, as_json: bool
) -> None:
    result = scored.result
    if as_json:
        print_json(
            {
                **result.to_json(),
                "checkpoint": str(lm.path),
                "text": text,
                "split": scored.split,
                "step": lm.state.step,
                "dtype": scored.dtype,
                "seconds": seconds,
            }
        )
        return
    _print_measures(result)
    say(f"{lm.path}, step {lm.state.step:,}, in {seconds:.1f} s")


def _print_measures(result: EvalResult) -> None:
    print_table(
        [
            ("loss", f"{result.loss:.4f} nats per token"),
            ("perplexity", f"{result.perplexity:.3f}"),
            ("bits per byte", f"{result.bits_per_byte:.4f}"),
            ("tokens", f"{result.tokens:,}"),
            ("bytes", f"{result.bytes:,}"),
            ("stories", f"{result.stories:,}"),
        ]
    )
