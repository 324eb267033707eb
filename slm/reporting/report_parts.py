"""The parts of a report that are computed from settings, records and a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slm.config import GPTConfig, RunConfig
from slm.model.costs import model_costs
from slm.presets import as_toml, setting_names
from slm.quantities import counted, duration, gigabytes, megabytes, parameters
from slm.reporting.plots import curve_of, loss_figure, step_figure
from slm.reporting.report import Curve, Rows, Table
from slm.reporting.run_summary import Record, RunSummary, number
from slm.reporting.svg import inline_svg
from slm.reporting.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from slm.data.shards import DataMeta
    from slm.evals.suite import Score, SuiteResult

POINTS = 600
"""Training steps in a picture."""
FIGURE_INCHES = (5.2, 2.8)
MOST_ROWS = 30
"""Anomalies and restatements that are listed: the first ones."""
MOST_CHARACTERS = 2_000
"""Of a setting or a sentence from a file."""

POSITIONS = {"learned": "learned positions", "rope": "rotary positions"}
NORMS = {"layernorm": "LayerNorm", "rmsnorm": "RMSNorm"}
MLPS = {"gelu": "GELU MLP", "gelu_exact": "exact GELU MLP", "swiglu": "SwiGLU MLP"}


def shortened(text: str) -> str:
    """A text from a file, with a bounded length."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


def model_rows(config: GPTConfig, tokenizer: str) -> Rows:
    """The shape of a model."""
    heads = counted(config.n_head, "head")
    if config.kv_heads != config.n_head:
        heads += f", {config.kv_heads:,} for keys and values"
    parts = ", ".join(f"{part} {count:,}" for part, count in model_costs(config).table())
    kinds = (POSITIONS, config.position), (NORMS, config.norm), (MLPS, config.mlp)
    return [
        ("parameters", f"{model_costs(config).parameters:,}: {parts}"),
        ("shape", f"{counted(config.n_layer, 'layer')} of width {config.n_embd:,}, {heads}"),
        ("kind", ", ".join(names.get(kind, kind) for names, kind in kinds)),
        ("context", counted(config.block_size, "token")),
        ("tokenizer", shortened(f"{tokenizer}, {counted(config.vocab_size, 'entry')}")),
    ]


def text_rows(settings: RunConfig, meta: DataMeta | None, summary: RunSummary) -> Rows:
    """The text that a run was trained on.

    Args:
        settings: of the run.
        meta: of its prepared data; None: they are no longer there.
        summary: of the run.
    """
    data = settings.data
    rows = [("source", shortened(data.source))]
    if meta is None:
        if data.limit is not None:
            rows.append(("limit", counted(data.limit, "story")))
    else:
        for name, split in (
            ("training", meta.splits.train),
            ("validation", meta.splits.validation),
        ):
            sizes = counted(split.stories, "story"), megabytes(split.bytes)
            rows.append((name, f"{', '.join(sizes)}, {counted(split.tokens, 'token')}"))
        if summary.tokens and meta.splits.train.tokens:
            epochs = summary.tokens / meta.splits.train.tokens
            rows.append(("read", f"{epochs:,.2f} epochs"))
    if settings.parent is not None:
        rows.append(("starts from", shortened(settings.train.init_from or "given weights")))
    if settings.train.teachers:
        rows.append(("learns from", ", ".join(map(shortened, settings.train.teachers))))
    return rows


def plan_table(plan: Mapping[str, Any], summary: RunSummary) -> Table | None:
    """The plan of a run, as it was restated last, and the outcome; None: it has no figures.

    Args:
        plan: `plan.json`, which may hold anything.
        summary: of the run.
    """
    restated = _restatements(plan)
    last = restated[-1] if restated else {}
    minutes = number(plan, "minutes")
    seconds = None if summary.seconds is None else summary.seconds / 60
    step_seconds = None
    if summary.tokens and summary.steps and summary.tokens_per_second:
        step_seconds = summary.tokens / summary.steps / summary.tokens_per_second
    rows = [
        ("minutes", *_cells("{:,.4g}", minutes, None, seconds)),
        ("steps", *_cells("{:,.0f}", *_figures(plan, last, "steps"), summary.steps)),
        (
            "seconds per step",
            *_cells("{:.3f}", *_figures(plan, last, "seconds_per_step"), step_seconds),
        ),
        ("tokens", *_cells("{:,.0f}", *_figures(plan, last, "tokens"), summary.tokens)),
        (
            "bits per byte",
            *_cells(
                "{:.3f}",
                *_figures(plan, last, "expected_bits_per_byte"),
                summary.best_bits_per_byte,
            ),
        ),
        (
            "memory in GB",
            *_cells(
                "{:.2f}",
                *(_giga(number(plan, "memory_bytes")), None, _giga(summary.peak_memory_bytes)),
            ),
        ),
    ]
    if not restated:
        rows = [(name, planned, outcome) for name, planned, _, outcome in rows]
    head = ("planned", "restated", "outcome") if restated else ("planned", "outcome")
    kept = tuple(row for row in rows if any(row[1:]))
    return Table("the plan's expectations and the results", ("", *head), kept) if kept else None


def _figures(
    plan: Mapping[str, Any], last: Mapping[str, Any], name: str
) -> tuple[float | None, float | None]:
    return number(plan, name), number(last, name)


def _giga(size: float | None) -> float | None:
    return None if size is None else size / 1e9


def _cells(pattern: str, *values: float | None) -> tuple[str, ...]:
    return tuple("" if value is None else pattern.format(value) for value in values)


def _restatements(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = plan.get("restatements")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def restatement_sentences(plan: Mapping[str, Any]) -> list[str]:
    """What a run said when it restated its plan."""
    sentences = []
    for each in _restatements(plan)[:MOST_ROWS]:
        step, seconds = number(each, "step"), number(each, "elapsed_seconds")
        steps, bits = number(each, "steps"), number(each, "expected_bits_per_byte")
        if None in (step, seconds, steps, bits):
            continue
        sentences.append(
            f"step {step:,.0f}, after {duration(seconds or 0.0)}: expect {steps:,.0f} steps and "
            f"{bits:.2f} bits per byte"
        )
    return sentences


def curves(records: Sequence[Record]) -> list[Curve]:
    """Losses, learning rate and speed over the steps, as far as they are recorded.

    Args:
        records: from `slm.reporting.run_summary.usable`.
    """
    shown = thinned(records, points=POINTS)
    found = []
    losses = curve_of(records, "validation", "loss")
    if losses[0] or curve_of(records, "train", "loss")[0]:
        words = _curve_in_words("The validation loss", losses, "nats per token") or _curve_in_words(
            "The training loss", curve_of(records, "train", "loss"), "nats per token"
        )
        found.append(_curve(loss_figure(shown), "losses", "Loss", words))
    for name, label, subject, unit in (
        ("learning_rate", "learning rate", "The learning rate", ""),
        ("tokens_per_second", "tokens/s", "The speed", "tokens per second"),
    ):
        steps, values = curve_of(records, "train", name)
        if steps:
            words = _range(subject, values, unit)
            figure = step_figure(shown, name, label)
            found.append(
                _curve(figure, name.replace("_", "-"), subject.removeprefix("The "), words)
            )
    return found


def _curve(figure: Figure, name: str, title: str, description: str) -> Curve:
    figure.set_size_inches(*FIGURE_INCHES)
    title = title[0].upper() + title[1:]
    svg = inline_svg(figure, name=name, title=title, description=description)
    return Curve(title, description, svg)


def _curve_in_words(subject: str, curve: tuple[list[int], list[float]], unit: str) -> str:
    steps, values = curve
    if not steps:
        return ""
    if len(steps) == 1:
        return f"{subject} is {values[0]:.3f} {unit} at step {steps[0]:,}."
    best = min(range(len(values)), key=values.__getitem__)
    return (
        f"{subject} goes from {values[0]:.3f} {unit} at step {steps[0]:,} to {values[-1]:.3f} at "
        f"step {steps[-1]:,}; the lowest is {values[best]:.3f} at step {steps[best]:,}."
    )


def _range(subject: str, values: Sequence[float], unit: str) -> str:
    ends = min(values), max(values)
    low, high = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in ends)
    range_ = low if low == high else f"between {low} and {high}"
    return f"{subject} is {range_} {unit}".rstrip() + "."


def anomaly_table(records: Sequence[Record]) -> Table | None:
    """Loss spikes and skipped steps; None: there were none."""
    found = [record for record in records if record.get("kind") == "anomaly"]
    if not found:
        return None
    rows = [
        (f"{r['step']:,}", str(r.get("anomaly", ""))[:40], shortened(str(r.get("text", ""))))
        for r in found[:MOST_ROWS]
    ]
    more = f", of which the first {MOST_ROWS} are listed" if len(found) > MOST_ROWS else ""
    name = f"{counted(len(found), 'anomaly')}{more}"
    return Table(name, ("step", "kind", "what was found"), tuple(rows))


def suite_table(result: SuiteResult) -> Table:
    """The scores of a test suite."""
    scores = [*result.parts, *([] if result.score is None else [result.score])]
    head = (result.suite, "score", "95% interval", "chance", "items")
    return Table(f"suite {result.suite}", head, tuple(map(_score_row, scores)))


def _score_row(score: Score) -> tuple[str, ...]:
    chance = "" if score.chance is None else f"{score.chance:.0f}"
    if score.n == 0:
        return shortened(score.name), "", "", chance, "0"
    interval = f"{score.low:.1f} to {score.high:.1f}"
    return shortened(score.name), f"{score.value:.1f}", interval, chance, f"{score.n:,}"


def cost_rows(
    summary: RunSummary, config: GPTConfig, *, planned_bytes: float | None, model_bytes: int | None
) -> Rows:
    """What a run cost in time and memory, as far as it is recorded."""
    rows: list[tuple[str, str]] = []
    if summary.seconds is not None:
        rows.append(("time", duration(summary.seconds)))
    if summary.tokens_per_second is not None:
        speed = f"{summary.tokens_per_second:,.0f} tokens per second (median of the steps)"
        rows.append(("speed", speed))
    if summary.tokens is not None:
        flops = summary.tokens * model_costs(config).training_flops_per_token
        rows.append(
            ("computation", f"{flops:.2e} floating-point operations for {summary.tokens:,} tokens")
        )
    if summary.peak_memory_bytes is not None:
        rows.append(("peak memory", gigabytes(summary.peak_memory_bytes)))
    elif planned_bytes is not None:
        rows.append(("memory", f"{gigabytes(planned_bytes)} planned; not measured"))
    if model_bytes is not None:
        rows.append(("model file", megabytes(model_bytes)))
    return rows


def settings_table(settings: RunConfig) -> Table:
    """All settings, and where each came from."""
    rows = tuple(_setting_rows(settings))
    return Table("settings", ("setting", "value", "from"), rows)


def _setting_rows(settings: RunConfig) -> Iterator[tuple[str, str, str]]:
    for name in setting_names():
        value = shortened(as_toml(settings.value_of(name)))
        yield name, value, shortened(str(settings.origin_of(name)))


def lead(config: GPTConfig, settings: RunConfig, summary: RunSummary) -> str:
    """The first sentence of a report."""
    size = parameters(model_costs(config).parameters)
    if not summary.steps:
        return f"A language model with {size}, which was not trained here."
    seconds = "" if summary.seconds is None else f" for {duration(summary.seconds)}"
    how = "trained further" if settings.parent is not None else "trained from scratch"
    bits = summary.best_bits_per_byte
    reached = "" if bits is None else f" It reached {bits:.3f} bits per byte of validation text."
    source = shortened(settings.data.source)
    return f"A language model with {size}, {how}{seconds} on {source}.{reached}"
