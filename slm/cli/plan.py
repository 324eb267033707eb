"""How a plan looks on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from slm.cli.output import print_json, print_table, say
from slm.config import RunConfig
from slm.origins import OriginKind
from slm.quantities import counted, gigabytes, megabytes, parameters

if TYPE_CHECKING:
    from slm.planning.plan import Plan


A_LONG_RUN = 12 * 3600.0
"""Seconds; the end of a longer one is told with its date."""


def print_plan(settings: RunConfig, minutes: float, *, as_json: bool, began_at: float) -> None:
    """Print a plan as the result of the command; see `slm.planning.dataset_size.plan_run`."""
    from slm.planning.dataset_size import plan_run

    plan = plan_run(settings, minutes, owns_process=True)
    if as_json:
        print_json(plan.to_json())
        return
    print_table(plan_rows(plan, seconds_used=time.monotonic() - began_at))
    for warning in plan.warnings:
        say(f"note: {warning}")


def tell_plan(settings: RunConfig, minutes: float, *, began_at: float) -> Plan:
    """Make a plan and say what is in it."""
    from slm.planning.dataset_size import plan_run

    plan = plan_run(settings, minutes, owns_process=True)
    rows = plan_rows(plan, seconds_used=time.monotonic() - began_at)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:{width}}  {value}")
    for warning in plan.warnings:
        say(f"note: {warning}")
    return plan


def plan_rows(plan: Plan, *, seconds_used: float) -> list[tuple[str, str]]:
    """A plan as rows of (what, how much).

    Args:
        plan: what will be.
        seconds_used: of its minutes, so far.
    """
    model, config = plan.settings.model, plan.settings.train
    seconds_left = 60.0 * plan.minutes - seconds_used
    ends_at = time.localtime(time.time() + seconds_left)
    clock = "%H:%M:%S" if seconds_left < A_LONG_RUN else "%Y-%m-%d %H:%M"
    short = config.seq_len_warmup
    tokens = counted(model.block_size, "token")
    return [
        ("minutes", f"{plan.minutes:,.10g}, until {time.strftime(clock, ends_at)}"),
        ("machine", f"{plan.speed:.2f} times as fast as that of the law"),
        (
            "model",
            f"{parameters(plan.parameters)}: {counted(model.n_layer, 'layer')} of "
            f"width {model.n_embd}, {counted(model.n_head, 'head')}",
        ),
        ("tokenizer", plan.settings.data.tokenizer),
        ("context", f"{short}, then {tokens}" if short else tokens),
        ("steps", f"{plan.steps:,} of {counted(plan.tokens // plan.steps, 'token')}"),
        ("text", f"{megabytes(round(plan.text_bytes))}{_of_how_much(plan)}"),
        ("expected", f"{plan.expected_bits_per_byte:.2f} bits per byte, on stories for children"),
        ("memory", gigabytes(plan.memory_bytes)),
    ]


def _of_how_much(plan: Plan) -> str:
    data = plan.settings.data
    if plan.settings.origin_of("data.limit").kind is OriginKind.PLAN:
        return f", from the first {counted(data.limit or 0, 'story')} of {data.source}"
    return "" if plan.epochs is None else f", {plan.epochs:,.1f} times all there is"
