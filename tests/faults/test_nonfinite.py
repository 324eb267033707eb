"""Numbers that go bad, wherever in a step: the weights never do, and the report says where.

A run is poisoned at one step. By default it stops, and names the step, the first bad tensor, the
stories and the checkpoint to go on from; going on from there gives the undisturbed run, bit for
bit. With `on_nonfinite=skip` the step has never been, up to three times in a row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from slm.api import Trainer
from slm.checkpoint import verify_checkpoint
from slm.config.run_files import METRICS_FILE
from slm.data.batches import windows_at
from slm.data.loader import DataLoader
from slm.errors import TrainingError
from slm.model import GPT
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.training import Callback, StepRecord
from slm.training.events import AnomalyRecord

MakeModel = Callable[..., GPT]
Poison = Callable[[Trainer], None]

NAME = "blocks.0.mlp.up_proj.weight"
N_STEPS = 8
BAD_STEP = 5
"""The first bad one, counted from 1; the checkpoint before it is of step 3."""
ROWS = 4
MICRO_BATCHES = 2


class Listener(Callback):
    """Remembers anomalies and, before each step, what weights and optimizer state were."""

    def __init__(self) -> None:
        self.trainer: Trainer
        self.anomalies: list[AnomalyRecord] = []
        self.after: dict[int, dict[str, Tensor]] = {}

    def on_step(self, record: StepRecord) -> None:
        self.after[record.step] = everything(self.trainer)

    def on_anomaly(self, record: AnomalyRecord) -> None:
        self.anomalies.append(record)


def everything(trainer: Trainer) -> dict[str, Tensor]:
    found = {name: p.detach().clone() for name, p in trainer.guarded_step.parameters.items()}
    for kind, optimizer in trainer.guarded_step.optimizers.items():
        for name, parameter in trainer.guarded_step.parameters.items():
            for key, value in optimizer.state.get(parameter, {}).items():
                found[f"{kind} {name} {key}"] = torch.as_tensor(value).clone()
    return found


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        # As bytes, so that a NaN is equal to itself.
        assert tensor.numpy().tobytes() == right[name].numpy().tobytes(), name


# -- poisons ---------------------------------------------------------------------------------------


def step_at_hand(trainer: Trainer) -> int:
    return trainer.state.step + 1


def in_the_loss(trainer: Trainer) -> None:
    """Of the second micro-batch."""
    calls: list[int] = []

    def spoil(model: GPT, inputs: Any, found: Any) -> Any:
        calls.append(step_at_hand(trainer))
        is_second = calls.count(calls[-1]) == 2
        if model.training and calls[-1] == BAD_STEP and is_second:
            return found[0], found[1] * math.inf
        return None

    trainer.model.register_forward_hook(spoil)


def in_the_gradient(trainer: Trainer) -> None:
    trainer.guarded_step.parameters[NAME].register_hook(
        lambda gradient: gradient * math.nan if step_at_hand(trainer) == BAD_STEP else gradient
    )


def in_a_weight(trainer: Trainer) -> None:
    """Between two steps, as a fault of the memory may do it."""

    def spoil(*_: Any) -> None:
        if step_at_hand(trainer) == BAD_STEP:
            with torch.no_grad():
                trainer.guarded_step.parameters[NAME].view(-1)[7] = math.nan

    trainer.model.register_forward_pre_hook(spoil)


def by_the_update(trainer: Trainer) -> None:
    def spoil(*_: Any) -> None:
        if step_at_hand(trainer) == BAD_STEP:
            with torch.no_grad():
                trainer.guarded_step.parameters[NAME].view(-1)[7] = -math.inf

    trainer.guarded_step.optimizers["adamw"].register_step_post_hook(spoil)


def in_the_optimizer(trainer: Trainer) -> None:
    """It stays there, so that every update from then on is bad."""

    def spoil(*_: Any) -> None:
        if step_at_hand(trainer) == BAD_STEP:
            state = trainer.guarded_step.optimizers["adamw"].state
            state[trainer.guarded_step.parameters["token_embedding.weight"]]["exp_avg"][5, 1] = (
                math.nan
            )

    trainer.model.register_forward_pre_hook(spoil)


# -- runs ------------------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path: Path, data_dir: Path, tiny_model: MakeModel) -> Callable[..., Trainer]:
    """`make(poison, **settings)`: a trainer in `tmp_path`, and who listens to it."""

    def make_trainer(poison: Poison | None = None, **settings: Any) -> Trainer:
        config = {
            "batch_size": ROWS,
            "gradient_accumulation_steps": MICRO_BATCHES,
            "max_steps": N_STEPS,
            "optimizer": "muon",
            "warmup_steps": 2,
            "eval_interval": 1000,
            "eval_tokens": 64,
            "checkpoint_interval": 3,
            "sample_prompts": (),
            "device": "cpu",
            "dtype": "float32",
            "compile": "off",
            "threads": 1,
            "out_dir": str(tmp_path / "run"),
            **settings,
        }
        model = tiny_model("modern", vocab_size=257, dropout=0.1)
        listener = Listener()
        metrics = MetricsFile(Path(config["out_dir"]) / METRICS_FILE, log_interval=1)
        loader = DataLoader(ROWS, model.config.block_size, data_dir=data_dir)
        trainer = Trainer(model, loader, config, callbacks=[listener, metrics])
        listener.trainer = trainer
        if poison is not None:
            poison(trainer)
        return trainer

    return make_trainer


def listener_of(trainer: Trainer) -> Listener:
    (listener,) = (c for c in trainer.callbacks.callbacks if isinstance(c, Listener))
    return listener


def stories_of(loader: DataLoader, micro_batches: list[int]) -> list[int]:
    """Looked up in a table of every id's story."""
    tokens = np.asarray(loader.directory.tokens("train"))
    story_of = np.concatenate([[0], np.cumsum(tokens == loader.meta.tokenizer.eot_id)])
    stories: set[int] = set()
    for number in micro_batches:
        windows = windows_at(number * ROWS, ROWS, n_windows=loader.n_windows, seed=loader.seed)
        for window in windows.tolist():
            start = window * loader.block_size
            stories.update(story_of[start : start + loader.block_size + 1].tolist())
    return sorted(stories)


FIRST = (BAD_STEP - 1) * MICRO_BATCHES
WHERE = [
    pytest.param(in_the_loss, "loss of micro-batch 2", [FIRST + 1], id="loss"),
    pytest.param(in_the_gradient, f"gradient of {NAME}", [FIRST, FIRST + 1], id="gradient"),
    pytest.param(by_the_update, f"update made {NAME}", [FIRST, FIRST + 1], id="update"),
    pytest.param(in_a_weight, f"weights {NAME}", [FIRST, FIRST + 1], id="weight"),
    pytest.param(
        in_the_optimizer,
        "update made token_embedding.weight",
        [FIRST, FIRST + 1],
        id="optimizer",
    ),
]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Tensor]:
    """Filled by the first test that needs it: all that a run comes to where nothing happens."""
    return {}


@pytest.mark.parametrize(("poison", "what", "micro_batches"), WHERE)
def test_the_run_stops_and_goes_on_from_what_it_names(
    make: Callable[..., Trainer],
    tmp_path: Path,
    poison: Poison,
    what: str,
    micro_batches: list[int],
    undisturbed: dict[str, Tensor],
) -> None:
    trainer = make(poison)
    with pytest.raises(TrainingError) as caught:
        trainer.train()
    message, hint = caught.value.message, caught.value.hint
    assert message.startswith(f"step {BAD_STEP}: the {what}")
    stories = stories_of(trainer.data_loader, micro_batches)
    told = re.search(r"documents in this step: ([\d, ]+)", message)
    assert told is not None
    assert [int(number) for number in told.group(1).split(",")] == stories[:12]
    assert hint is not None
    assert "train.on_nonfinite=skip" in hint
    # What the weights were before the step is saved, where they are still there to be saved.
    is_there = poison in (in_the_loss, in_the_gradient)
    good = trainer.out_dir / f"checkpoints/step-{BAD_STEP - 1 if is_there else 3:06d}"
    assert str(good) in message
    verify_checkpoint(good)
    assert listener_of(trainer).anomalies == []
    if is_there:
        assert_same(everything(trainer), listener_of(trainer).after[BAD_STEP - 1])
    # Without the poison it goes on as if nothing had been.
    again = make()
    assert again.train(existing="resume").step == N_STEPS
    if not undisturbed:
        plain = make(out_dir=str(tmp_path / "plain"))
        plain.train()
        undisturbed.update(everything(plain))
    assert_same(everything(again), undisturbed)


@pytest.mark.parametrize(("poison", "what", "micro_batches"), WHERE[:3])
def test_a_skipped_step_has_never_been(
    make: Callable[..., Trainer], poison: Poison, what: str, micro_batches: list[int]
) -> None:
    trainer = make(poison, on_nonfinite="skip")
    assert trainer.train().step == N_STEPS
    listener = listener_of(trainer)
    assert_same(listener.after[BAD_STEP], listener.after[BAD_STEP - 1])
    assert not torch.equal(listener.after[BAD_STEP + 1][NAME], listener.after[BAD_STEP][NAME])
    (anomaly,) = listener.anomalies
    assert (anomaly.step, anomaly.anomaly) == (BAD_STEP, "skipped")
    assert anomaly.text.startswith(f"step {BAD_STEP}: the {what}")
    assert list(anomaly.stories) == stories_of(trainer.data_loader, micro_batches)
    records = read_metrics(trainer.out_dir / METRICS_FILE)
    (record,) = (record for record in records if record["kind"] == "anomaly")
    assert record["stories"] == list(anomaly.stories)
    assert [r["step"] for r in records if r["kind"] == "train"] == list(range(1, N_STEPS + 1))


def test_weights_that_are_bad_already_are_no_step_to_skip(make: Callable[..., Trainer]) -> None:
    with pytest.raises(TrainingError, match=f"step {BAD_STEP}: the weights {NAME}.*step-000003"):
        make(in_a_weight, on_nonfinite="skip").train()


def test_the_fourth_bad_update_in_a_row_ends_the_run(make: Callable[..., Trainer]) -> None:
    trainer = make(in_the_optimizer, on_nonfinite="skip", checkpoint_interval=4, max_steps=20)
    with pytest.raises(TrainingError, match=r"step 8: .*the last good .*step-000004"):
        trainer.train()
    listener = listener_of(trainer)
    assert [anomaly.step for anomaly in listener.anomalies] == [5, 6, 7]
    assert_same(listener.after[7], listener.after[5])
    assert_same(everything(trainer), listener.after[5])
    before = {k: v for k, v in listener.after[4].items() if "token_embedding" not in k}
    assert_same({k: listener.after[7][k] for k in before}, before)
    assert torch.equal(
        listener.after[7]["token_embedding.weight"], listener.after[4]["token_embedding.weight"]
    )


def test_bad_optimizer_state_is_not_saved(make: Callable[..., Trainer]) -> None:
    trainer = make(in_the_optimizer, on_nonfinite="skip", checkpoint_interval=3)
    with pytest.raises(TrainingError, match=r"step 6 cannot be saved: .*exp_avg.*step-000003"):
        trainer.train()
    assert [p.name for p in (trainer.out_dir / "checkpoints").iterdir()] == ["step-000003"]


def test_the_count_of_skipped_steps_outlasts_a_restart(make: Callable[..., Trainer]) -> None:
    def all_bad(trainer: Trainer) -> None:
        trainer.guarded_step.parameters[NAME].register_hook(lambda gradient: gradient * math.nan)

    assert make(all_bad, on_nonfinite="skip").train(stop_after=2).step == 2
    with pytest.raises(TrainingError, match="step 4"):
        make(all_bad, on_nonfinite="skip").train(existing="resume")


# -- spikes ----------------------------------------------------------------------------------------


def in_a_jump(trainer: Trainer) -> None:
    """The loss of step 30 is 3 nats too high; its gradient is as ever."""

    def lift(model: GPT, inputs: Any, found: Any) -> Any:
        is_it = model.training and step_at_hand(trainer) == 30
        return (found[0], found[1] + 3.0) if is_it else None

    trainer.model.register_forward_hook(lift)


def test_a_loss_that_jumps_is_logged_the_same_across_a_restart(
    make: Callable[..., Trainer], tmp_path: Path
) -> None:
    settings = {"max_steps": 33, "learning_rate": 1e-4, "muon_learning_rate": 1e-3}
    whole = make(in_a_jump, **settings)
    whole.train()
    (spike,) = listener_of(whole).anomalies
    assert (spike.step, spike.anomaly) == (30, "spike")
    mean = float(re.findall(r"recent mean ([\d.]+)", spike.text)[0])
    assert spike.loss == pytest.approx(mean + 3.0, abs=0.5)
    records = read_metrics(whole.out_dir / METRICS_FILE)
    assert [r["text"] for r in records if r["kind"] == "anomaly"] == [spike.text]
    settings["out_dir"] = str(tmp_path / "halves")
    assert make(in_a_jump, **settings).train(stop_after=15).step == 15
    second = make(in_a_jump, **settings)
    second.train(existing="resume")
    assert listener_of(second).anomalies == [spike]
    assert second.state.running_loss == whole.state.running_loss
