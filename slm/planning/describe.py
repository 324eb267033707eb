"""A plan as text for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from slm.config.origins import OriginKind
from slm.planning.scaling_law import FEWEST_BYTES, MOST_BITS
from slm.quantities import counted, gigabytes, megabytes, parameters
from slm.runs.disk_space import ladder_bytes, steps_on_ladder

if TYPE_CHECKING:
    from slm.config import RunConfig
    from slm.planning.plan import Plan

A_LONG_RUN = 12 * 3600.0
"""In seconds; the end of a longer run is printed with its date."""


def plan_lines(plan: Plan, *, seconds_used: float = 0.0) -> list[str]:
    """A plan as aligned lines, followed by its warnings.

    Args:
        plan: the plan.
        seconds_used: seconds of its minutes that have passed.
    """
    rows = plan_rows(plan, seconds_used=seconds_used)
    width = max(len(name) for name, _ in rows)
    return [
        *(f"{name:{width}}  {value}" for name, value in rows),
        *(f"note: {warning}" for warning in plan.warnings),
    ]


def plan_rows(plan: Plan, *, seconds_used: float) -> list[tuple[str, str]]:
    """A plan as rows of (name, value).

    Args:
        plan: the plan.
        seconds_used: seconds of its minutes that have passed.
    """
    model, config, parent = plan.settings.model, plan.settings.train, plan.settings.parent
    seconds_left = 60.0 * plan.minutes - seconds_used
    ends_at = time.localtime(time.time() + seconds_left)
    clock = "%H:%M:%S" if seconds_left < A_LONG_RUN else "%Y-%m-%d %H:%M"
    alone = "" if parent is None else " from scratch"
    if config.teachers:
        alone += " without teachers"
    short = config.seq_len_warmup or model.block_size
    tokens = counted(model.block_size, "token")
    return [
        ("minutes", f"{plan.minutes:,.10g}, until {time.strftime(clock, ends_at)}"),
        ("machine", f"{plan.speed:.2f} times the speed of the reference machine"),
        (
            "model",
            f"{parameters(plan.parameters)}: {counted(model.n_layer, 'layer')} of "
            f"width {model.n_embd}, {counted(model.n_head, 'head')}",
        ),
        *([] if parent is None else [("starts from", config.init_from or "")]),
        *([("learns from", ", ".join(config.teachers))] if config.teachers else []),
        ("tokenizer", plan.settings.data.tokenizer if parent is None else parent.tokenizer),
        ("context", f"{short}, then {tokens}" if short < model.block_size else tokens),
        ("steps", f"{plan.steps:,} of {counted(plan.tokens // plan.steps, 'token')}"),
        ("text", f"{megabytes(round(plan.text_bytes))}{_of_how_much(plan)}"),
        (
            "expected",
            f"{_between(plan)} bits per byte{alone}, on {_what(plan)}",
        ),
        ("memory", gigabytes(plan.memory_bytes)),
        ("disk", f"{gigabytes(plan.disk_bytes)}{_with_ladder(plan.settings)}"),
    ]


def _with_ladder(settings: RunConfig) -> str:
    n_steps = len(steps_on_ladder(settings))
    if not n_steps:
        return ""
    return f", {gigabytes(ladder_bytes(settings))} of it for {n_steps} checkpoints of the ladder"


def _between(plan: Plan) -> str:
    expected, error = plan.expected_bits_per_byte, plan.expected_error
    return f"{expected - error:.2f} to {min(MOST_BITS, expected + error):.2f}"


def _what(plan: Plan) -> str:
    text = "stories for children" if plan.difficulty == 1.0 else "these stories"
    if not plan.is_extrapolated:
        return text
    measured = "shorter" if plan.text_bytes < FEWEST_BYTES else "larger"
    return f"{text}; {measured} than all measured runs"


def _of_how_much(plan: Plan) -> str:
    data = plan.settings.data
    if plan.settings.origin_of("data.limit").kind is OriginKind.PLAN:
        return f", from the first {counted(data.limit or 0, 'story')} of {data.source}"
    return "" if plan.epochs is None else f", {plan.epochs:,.1f} epochs"
