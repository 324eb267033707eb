"""Plans: the size that the law finds best, and what the user has set stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from slm.config import RunConfig
from slm.config.model_record import ModelRecord
from slm.config.origins import FROM_PARENT
from slm.data.data_paths import prepare_command
from slm.errors import ConfigError, DeviceError
from slm.planning.choices import (
    EVALUATING_COST,
    FINE_TUNING_RATE,
    FINE_TUNING_WARMUP_STEPS,
    READINGS,
)
from slm.planning.dataset_size import DatasetSize
from slm.planning.describe import plan_lines
from slm.planning.plan import NEARLY_BEST, Plan, make_plan
from slm.planning.steps import DROPOUT_COST, EVALUATING_SHARE, MachineProfile
from slm.presets import resolve

REFERENCE = MachineProfile("cpu", "bfloat16", 1.0, has_compiler=True, memory_bytes=16 * 10**9)
PLENTY = DatasetSize(2 * 10**9, 4.05)


def base(*assignments: str, **flags: Any) -> RunConfig:
    named = {f"data.{key}": (value, f"--{key}") for key, value in flags.items()}
    return resolve("modern-12m", assignments=assignments, flags=named)


def plan(
    minutes: float,
    settings: RunConfig | None = None,
    text: DatasetSize = PLENTY,
    speed: float = 1.0,
) -> Plan:
    return make_plan(settings or base(), minutes, replace(REFERENCE, relative_speed=speed), text)


def test_more_time_gives_a_larger_and_better_model() -> None:
    plans = [plan(minutes) for minutes in (1, 5, 30, 120, 600)]
    sizes = [p.parameters for p in plans]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    expected = [p.expected_bits_per_byte for p in plans]
    assert expected == sorted(expected, reverse=True)
    assert len(set(expected)) == len(expected)


def test_little_time_gives_fewer_layers() -> None:
    shapes = [(p.settings.model.n_layer, p.settings.model.n_embd) for p in map(plan, (1, 30, 600))]
    assert shapes[0] == (2, 128)
    assert shapes == sorted(set(shapes))


def test_a_text_that_is_read_often_has_dropout() -> None:
    sizes = (10**6, 2 * 10**6, 5 * 10**6, 10**7, 10**8)
    chosen = {n: plan(10, text=DatasetSize(n, 4.05)) for n in sizes}
    found = [p.settings.model.dropout for p in chosen.values()]
    assert found == [0.4, 0.2, 0.1, 0.0, 0.0], [p.epochs for p in chosen.values()]
    assert plan(10, base("dropout=0.05"), DatasetSize(10**6, 4.05)).settings.model.dropout == 0.05


@pytest.mark.parametrize(("minutes", "how"), [(5, "eager"), (60, "compiled")])
def test_the_time_of_dropout_counts(minutes: float, how: str) -> None:
    shape = (
        "n_embd=128",
        "n_layer=2",
        "n_head=2",
        f"compile={'on' if how == 'compiled' else 'off'}",
    )
    few = DatasetSize(10**6, 4.05)
    plain = plan(minutes, base(*shape, "dropout=0.0"), few)
    own = plan(minutes, base(*shape, "dropout=0.3"), few)
    chosen = plan(minutes, base(*shape), few)
    cost = DROPOUT_COST[how]
    assert chosen.settings.model.dropout > 0.0 == plain.settings.model.dropout
    for slower in (own, chosen):
        assert slower.tokens == pytest.approx(plain.tokens / cost, rel=0.01)
        assert slower.epochs == pytest.approx(plain.epochs / cost, rel=0.01)  # type: ignore[operator]


def test_no_other_size_would_be_much_better_and_no_smaller_one_as_good() -> None:
    chosen = plan(10)
    for width, layers in ((128, 2), (128, 3), (128, 4), (192, 4), (256, 4), (384, 6)):
        other = plan(10, base(f"n_embd={width}", f"n_layer={layers}", "n_head=2"))
        assert other.settings.model.n_embd == width
        assert NEARLY_BEST * other.expected_bits_per_byte >= chosen.expected_bits_per_byte
        is_smaller = other.non_embedding_parameters < chosen.non_embedding_parameters
        best = min(chosen.expected_bits_per_byte, other.expected_bits_per_byte)
        assert not is_smaller or other.expected_bits_per_byte > best


def test_a_faster_machine_reads_more_text() -> None:
    settings = base("n_embd=192", "n_layer=4", "n_head=3")
    fast = MachineProfile("cpu", "bfloat16", 3.0, has_compiler=True, memory_bytes=None)
    faster = make_plan(settings, 10, fast, PLENTY)
    assert faster.tokens == pytest.approx(3 * plan(10, settings).tokens, rel=0.01)


def test_compiling_counts_where_the_run_will_compile() -> None:
    size = ("n_embd=192", "n_layer=4", "n_head=3")

    def steps(minutes: float, choice: str, machine: MachineProfile = REFERENCE) -> int:
        return make_plan(base(*size, f"compile={choice}"), minutes, machine, PLENTY).steps

    # Too short for it: a quarter of the time would go into compiling.
    assert steps(1, "on") < steps(1, "off") == steps(1, "auto")
    assert steps(30, "off") < steps(30, "on") == steps(30, "auto")
    without = replace(REFERENCE, has_compiler=False)
    assert steps(30, "auto", without) == steps(30, "off")
    # On a slow machine compiling takes longer than it saves in 10 minutes, but not in an hour.
    slow = replace(REFERENCE, relative_speed=0.1)
    assert steps(10, "auto", slow) == steps(10, "off", slow) > steps(10, "on", slow)
    assert make_plan(base(*size), 10, slow, PLENTY).settings.train.compile == "off"
    assert steps(60, "off", slow) < steps(60, "on", slow) == steps(60, "auto", slow)
    assert make_plan(base(*size), 60, slow, PLENTY).settings.train.compile == "auto"
    with pytest.raises(DeviceError, match="compile=on"):
        steps(30, "on", without)


def test_given_weights_keep_their_shape_and_are_trained_more_gently() -> None:
    shape = base("n_embd=64", "n_layer=3", "n_head=2", "vocab_size=9000").model
    weights = {f"model.{name}": value for name, value in shape.__dict__.items()}
    parent = ModelRecord("0" * 64, 7, "bpe:9000", "1" * 64)
    settings = replace(base().with_values(weights, FROM_PARENT), parent=parent)
    unread = DatasetSize(None, None, story_bytes=800.0)
    chosen, scratch = plan(10, settings, unread).settings, plan(10, text=unread).settings
    assert chosen.model == shape
    assert chosen.data.tokenizer == settings.data.tokenizer
    for name in ("learning_rate", "muon_learning_rate"):
        rates = [getattr(each.train, name) for each in (chosen, scratch)]
        assert rates[0] == pytest.approx(FINE_TUNING_RATE * rates[1])
    assert chosen.train.warmup_steps == FINE_TUNING_WARMUP_STEPS
    assert chosen.train.seq_len_warmup is None
    mine = replace(base("learning_rate=0.5").with_values(weights, FROM_PARENT), parent=parent)
    assert plan(10, mine).settings.train.learning_rate == 0.5
    assert "starts from" in "".join(plan_lines(plan(10, settings)))


@pytest.mark.parametrize("minutes", [0.5, 2, 10, 60])
@pytest.mark.parametrize("speed", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("has_parent", [False, True])
def test_evaluations_take_a_small_share_of_any_run(
    minutes: float, speed: float, has_parent: bool
) -> None:
    """A fine-tuning run of two minutes once spent a fifth of them on nine evaluations."""
    settings = base()
    if has_parent:
        settings = replace(settings, parent=ModelRecord("0" * 64, 7, "bpe:4096", "1" * 64))
    chosen = plan(minutes, settings, speed=speed)
    train = chosen.settings.train
    assert train.eval_tokens is not None
    assert 8192 <= train.eval_tokens <= settings.train.eval_tokens  # type: ignore[operator]
    step_tokens = chosen.tokens / chosen.steps
    share = train.eval_tokens * EVALUATING_COST / (train.eval_interval * step_tokens)
    assert share <= EVALUATING_SHARE


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("eval_tokens=65536", (65536, 712)),
        ("eval_interval=7", (8192, 7)),
        ("eval_tokens=none", (None, 34)),
    ],
)
def test_evaluations_that_the_user_sets_stay(
    assignment: str, expected: tuple[int | None, int]
) -> None:
    chosen = plan(0.5, base(assignment, "n_embd=128", "n_layer=4", "n_head=2"))
    assert chosen.steps == 404
    assert (chosen.settings.train.eval_tokens, chosen.settings.train.eval_interval) == expected


def test_what_the_user_sets_stays() -> None:
    chosen = plan(
        10, base("n_embd=64", "n_head=1", "batch_size=3", "eval_interval=7", tokenizer="bytes")
    ).settings
    assert (chosen.model.n_embd, chosen.model.n_head) == (64, 1)
    assert (chosen.train.batch_size, chosen.train.eval_interval) == (3, 7)
    assert chosen.data.tokenizer == "bytes"
    assert str(chosen.origins["model.n_embd"]) == "--set"
    assert str(chosen.origins["model.n_layer"]) == "plan for 10 minutes"


def test_the_steps_of_a_plan_fill_its_time() -> None:
    chosen = plan(10)
    assert chosen.settings.train.max_minutes == 10
    assert chosen.settings.train.max_steps == chosen.steps
    tokens_per_step = chosen.settings.train.batch_size * chosen.settings.model.block_size
    assert chosen.tokens == chosen.steps * tokens_per_step
    assert chosen.steps // chosen.settings.train.eval_interval in range(10, 15)


def test_a_short_run_takes_small_steps() -> None:
    assert plan(0.5).settings.train.batch_size < plan(10).settings.train.batch_size


def test_simple_text_is_learned_in_many_small_steps() -> None:
    """Names of built-in stories take a number of steps; see docs/LOG.md."""
    few_words = DatasetSize(2 * 10**9, 2.6, words=1600, difficulty=0.2)
    other = plan(3, speed=0.6)
    chosen = plan(3, speed=0.6, text=few_words)
    assert chosen.steps > 1000 > other.steps
    assert chosen.tokens // chosen.steps < other.tokens // other.steps
    ratio = chosen.settings.train.batch_size / other.settings.train.batch_size
    for rate in ("learning_rate", "muon_learning_rate"):
        lower = getattr(chosen.settings.train, rate) / getattr(other.settings.train, rate)
        assert lower == pytest.approx(ratio**0.5, rel=0.03)
    fewest = plan(0.3, text=few_words)
    assert fewest.tokens // fewest.steps == 1024


def test_a_long_run_takes_large_steps_and_its_rate_falls_from_the_start() -> None:
    short, long, longest = (plan(minutes).settings.train for minutes in (3, 20, 90))
    assert (long.batch_size, longest.batch_size) == (2 * short.batch_size, 4 * short.batch_size)
    assert short.decay_fraction == 0.5
    assert long.decay_fraction == longest.decay_fraction == 1.0
    assert longest.learning_rate == short.learning_rate
    assert plan(30, base("decay_fraction=0.3")).settings.train.decay_fraction == 0.3


def test_a_batch_that_the_user_sets_stays_in_a_short_run() -> None:
    few_words = DatasetSize(2 * 10**9, 2.6, words=1600)
    chosen = plan(1, base("batch_size=16"), text=few_words).settings.train
    assert (chosen.batch_size, chosen.learning_rate) == (16, 0.01)


def test_the_output_head_is_its_own_unless_the_user_ties_it() -> None:
    assert not plan(5).settings.model.tie_embeddings
    assert plan(5, base("tie_embeddings=true")).settings.model.tie_embeddings


def test_the_output_head_is_tied_for_a_text_that_is_read_often() -> None:
    plans = [plan(10, text=DatasetSize(n, 4.05)) for n in (2 * 10**6, 5 * 10**6, 2 * 10**7, 10**8)]
    assert [p.settings.model.tie_embeddings for p in plans] == [True, True, False, False]
    assert [p.epochs is not None and p.epochs >= 4.0 for p in plans] == [True, True, False, False]
    often = DatasetSize(10**6, 4.05)
    assert not plan(10, base("tie_embeddings=false"), often).settings.model.tie_embeddings
    few_words = replace(often, words=1600)
    assert not plan(10, text=few_words).settings.model.tie_embeddings


@pytest.mark.parametrize(("minutes", "speed"), [(1, 0.05), (0.2, 0.1), (1e-6, 1.0)])
def test_without_time_for_steps_the_model_is_the_smallest(minutes: float, speed: float) -> None:
    """The law prefers the largest of models that all make a single step."""
    settings = plan(minutes, speed=speed).settings
    assert settings.model.n_embd == 128
    # The machine may be faster than it was while it was timed.
    assert min(settings.train.eval_interval, settings.train.checkpoint_interval) >= 50


@pytest.mark.parametrize(
    ("minutes", "measured"),
    [(0.3, "; shorter than all measured runs"), (5, ""), (100_000, "; larger than all measured")],
)
def test_a_plan_states_when_it_extrapolates(minutes: float, measured: str) -> None:
    found = plan(minutes)
    assert found.is_extrapolated == bool(measured)
    assert ("than all measured runs" in repr(found)) == found.is_extrapolated
    assert measured in repr(found)


def test_a_plan_states_its_error() -> None:
    short = plan(5)
    assert 0.0 < short.expected_error < 0.2 * short.expected_bits_per_byte
    easy = plan(5, text=DatasetSize(2 * 10**9, 2.6, difficulty=0.2))
    assert easy.expected_bits_per_byte == pytest.approx(0.2 * short.expected_bits_per_byte, rel=0.2)
    assert "these stories" in repr(easy)


def test_a_slow_machine_also_starts_slowly() -> None:
    read_first = DatasetSize(10**8, None)
    fast, slow = plan(3, text=read_first, speed=1.0), plan(3, text=read_first, speed=0.5)
    assert slow.steps * slow.seconds_per_step < 0.9 * fast.steps * fast.seconds_per_step


@pytest.mark.parametrize(
    ("n_bytes", "tokenizer"),
    [(None, "bpe:4096"), (10**8, "bpe:4096"), (2_500_000, "bpe:2048"), (90, "bpe:512")],
)
def test_the_vocabulary_is_one_that_the_text_fills(n_bytes: int | None, tokenizer: str) -> None:
    assert plan(5, text=DatasetSize(n_bytes, None)).settings.data.tokenizer == tokenizer


@pytest.mark.parametrize(
    ("words", "tokenizer"),
    [(1600, "bpe:2048"), (3500, "bpe:4096"), (90_000, "bpe:4096"), (1, "bpe:512")],
)
def test_few_words_need_a_small_vocabulary(words: int, tokenizer: str) -> None:
    """The smallest one in which every word can have its own entry."""
    text = DatasetSize(None, None, story_bytes=700.0, words=words)
    assert plan(5, text=text).settings.data.tokenizer == tokenizer


def near(epochs: float | None, readings: Sequence[float]) -> bool:
    return any(epochs == pytest.approx(each, rel=0.02) for each in readings)


@pytest.mark.parametrize("minutes", [0.5, 10, 600])
def test_of_any_number_of_stories_enough_are_read(minutes: float) -> None:
    any_number = DatasetSize(None, None, story_bytes=800.0)
    chosen = plan(minutes, text=any_number)
    limit = chosen.settings.data.limit
    assert limit is not None
    assert chosen.epochs is not None
    assert near(chosen.epochs, READINGS) or limit == 5120  # of the vocabulary
    assert chosen.warnings == () or minutes < 1
    # Text that is there already costs no time, and is otherwise the same.
    ready = plan(minutes)
    assert chosen.steps <= ready.steps
    assert str(chosen.settings.origins["data.limit"]) == f"plan for {minutes:g} minutes"


@pytest.mark.parametrize("speed", [0.3, 1.0, 5.0, 30.0])
def test_stories_that_take_time_are_no_more_than_are_read(speed: float) -> None:
    slow = DatasetSize(None, None, story_bytes=700.0, bytes_per_second=1.2e6)
    chosen = plan(3, text=slow, speed=speed)
    assert near(chosen.epochs, READINGS) or speed < 1  # for the vocabulary
    assert chosen.epochs is not None
    assert (chosen.epochs > 1.5) == (speed > 1)  # where they take a large share of the time
    assert not any("reading all the text" in warning for warning in chosen.warnings)


@pytest.mark.parametrize(("block_size", "said"), [(256, "128, then 256"), (128, "128"), (64, "64")])
def test_the_contexts_of_a_run_are_named(block_size: int, said: str) -> None:
    (line,) = (s for s in plan_lines(plan(3, base(f"block_size={block_size}"))) if "context" in s)
    assert line.split("  ")[-1].strip() == f"{said} tokens"


def test_a_number_of_stories_that_is_set_stays() -> None:
    chosen = plan(10, base(limit=50), DatasetSize(40_000, None, story_bytes=800.0))
    assert chosen.settings.data.limit == 50
    assert chosen.epochs is not None
    assert chosen.epochs > 100


@pytest.mark.parametrize(("tokenizer", "ids"), [("bytes", 257), ("bpe:600", 600), ("gpt2", 50257)])
def test_the_user_s_tokenizer_decides_the_vocabulary(tokenizer: str, ids: int) -> None:
    chosen = plan(10, base(tokenizer=tokenizer), DatasetSize(10**8, None))
    assert chosen.settings.data.tokenizer == tokenizer
    assert chosen.settings.model.vocab_size == ids
    assert chosen.parameters > ids * chosen.settings.model.n_embd
    assert 1.0 <= chosen.text_bytes / chosen.tokens <= 4.05
    assert (chosen.text_bytes == chosen.tokens) is (tokenizer == "bytes")


def test_rows_that_no_token_uses_make_no_text() -> None:
    chosen = plan(10, base("vocab_size=1000000", tokenizer="bytes"), DatasetSize(10**8, None))
    assert chosen.settings.model.vocab_size == 1_000_000
    assert chosen.text_bytes == chosen.tokens


def test_a_tokenizer_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        plan(10, base(tokenizer="nowhere"), DatasetSize(10**8, None))


def test_prepared_data_keep_their_vocabulary() -> None:
    chosen = plan(5, base("vocab_size=777"), DatasetSize(10**8, 2.5))
    assert chosen.settings.model.vocab_size == 777
    assert chosen.text_bytes == 2.5 * chosen.tokens


def test_little_text_is_warned_of() -> None:
    assert plan(10).warnings == ()
    little = plan(10, text=DatasetSize(10**6, None))
    assert little.epochs is not None
    assert little.epochs > 4
    (warning,) = little.warnings
    assert f"read {little.epochs:.0f} times" in warning
    few, many = (plan(60, text=DatasetSize(n_bytes, None)) for n_bytes in (5 * 10**6, 10**8))
    assert few.expected_bits_per_byte > many.expected_bits_per_byte


def test_little_text_gives_a_small_model() -> None:
    """A law without harm by repetition would give it the largest: nothing else is left to gain."""
    widths = [
        plan(600, text=DatasetSize(n_bytes, None)).settings.model.n_embd for n_bytes in (1, 10**7)
    ]
    assert widths == [128, 192]
    assert (
        plan(600, base("n_embd=512", "n_head=8"), DatasetSize(1, None)).settings.model.n_embd == 512
    )


def test_little_memory_is_warned_of() -> None:
    small = MachineProfile("cpu", "bfloat16", 1.0, has_compiler=True, memory_bytes=600_000_000)
    (warning,) = make_plan(base(), 10, small, PLENTY).warnings
    assert "0.6" in warning
    assert "batch_size" in warning


def test_a_model_for_which_there_is_no_memory_is_not_chosen() -> None:
    large = make_plan(base(), 10_000, REFERENCE, PLENTY)
    little = replace(REFERENCE, memory_bytes=int(large.memory_bytes))
    chosen = make_plan(base(), 10_000, little, PLENTY)
    assert chosen.parameters < large.parameters
    assert not any("memory" in warning for warning in chosen.warnings)


def test_little_time_is_warned_of() -> None:
    assert plan(0.05).warnings[-1] == "a run needs about 6 seconds before its first step"
    slow = replace(REFERENCE, relative_speed=1e-6)
    found = make_plan(base(), 1, slow, PLENTY)
    assert found.warnings[-1] == "time for 1 step only: expect little"


def test_a_plan_is_json() -> None:
    data = json.loads(json.dumps(plan(10).to_json()))
    assert data["minutes"] == 10
    assert RunConfig.from_json(data["settings"], where="here") == plan(10).settings


@pytest.mark.parametrize("setting", ["n_embd=324", "n_kv_head=3"])
def test_sizes_that_do_not_go_with_the_user_s_are_left_out(setting: str) -> None:
    model = plan(60, base(setting)).settings.model
    assert model.n_embd % model.n_head == 0
    assert model.n_head % model.kv_heads == 0
    name, value = setting.split("=")
    assert getattr(model, name) == int(value)


def test_much_to_read_is_warned_of() -> None:
    much = plan(10, text=DatasetSize(2 * 10**9, None))
    assert much.tokens < plan(10).tokens / 2
    assert "reading all the text takes about 6m40s of the 10 minutes" in much.warnings[0]
    assert much.warnings[0].endswith(f"with: {prepare_command(much.settings.data)}")
    assert plan(10, text=DatasetSize(10**8, None)).warnings == ()
    slowly = DatasetSize(10**8, None, bytes_per_second=4e5)
    assert "reading all the text takes about 4m10s of" in plan(10, text=slowly).warnings[0]
