"""The probe: steps as the run will make them, compared with those of the reference machine."""

from __future__ import annotations

import math

import pytest
import torch

from slm.errors import DeviceError
from slm.model import GPT
from slm.planning import machine as probe
from slm.planning.machine import probe_machine
from slm.planning.scaling_law import seconds_per_token
from slm.presets import resolve

SETTINGS = resolve("modern-12m", assignments=("device=cpu", "dtype=float32"))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = ("n_layer=2", "n_embd=32", "n_head=2", "mlp_dim=none", "block_size=128")
    monkeypatch.setattr(probe, "PROBE", shape)
    monkeypatch.setattr(probe, "PROBE_ROWS", 2)
    monkeypatch.setattr(probe, "can_compile", lambda device: True)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[GPT]:
    """The models whose blocks were to be compiled."""
    models: list[GPT] = []
    monkeypatch.setattr(probe, "compile_blocks", models.append)
    return models


def test_real_steps_are_timed(compiled: list[GPT]) -> None:
    before = torch.random.get_rng_state()
    machine = probe_machine(SETTINGS, 5)
    assert 0 < machine.relative_speed < math.inf
    assert (machine.device, machine.dtype, machine.has_compiler) == ("cpu", "float32", True)
    assert compiled == []
    assert torch.equal(torch.random.get_rng_state(), before)  # the run draws what it would draw


@pytest.mark.parametrize(
    ("minutes", "seconds"),
    [(0.1, [1.5]), (3, [1.5]), (10, [3]), (30, [1.5, 9]), (60, [1.5, 18]), (600, [1.5, 20])],
)
def test_a_longer_run_is_probed_longer(
    minutes: float, seconds: list[float], compiled: list[GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []

    def timed(*_: object, enough_seconds: float, **__: object) -> float:
        lengths.append(enough_seconds)
        return 1.0

    monkeypatch.setattr(probe, "step_seconds", timed)
    probe_machine(SETTINGS, minutes)
    assert lengths == pytest.approx(seconds)


@pytest.mark.parametrize("minutes", [5, 60])
def test_the_machine_of_the_law_has_a_speed_of_one(
    minutes: float, compiled: list[GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    flops = probe.model_costs(resolve("modern-12m", assignments=probe.PROBE).model)
    token = seconds_per_token(flops.training_flops_per_token, compiled=minutes == 60)
    monkeypatch.setattr(probe, "step_seconds", lambda *_, **__: 2 * 128 * token)
    assert probe_machine(SETTINGS, minutes).relative_speed == pytest.approx(1.0)
    assert len(compiled) == (minutes == 60)


def test_a_machine_where_compiling_takes_too_long_is_probed_without(
    compiled: list[GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a twentieth of the usual speed would compile for minutes before its first step."""
    flops = probe.model_costs(resolve("modern-12m", assignments=probe.PROBE).model)
    token = seconds_per_token(flops.training_flops_per_token, compiled=False)
    monkeypatch.setattr(probe, "step_seconds", lambda *_, **__: 20 * 2 * 128 * token)
    assert probe_machine(SETTINGS, 20).relative_speed == pytest.approx(0.05)
    assert compiled == []
    probe_machine(SETTINGS, 100)
    assert len(compiled) == 1


def test_a_run_that_is_not_compiled_is_not_probed_so(
    compiled: list[GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    off = resolve("modern-12m", assignments=("device=cpu", "compile=off"))
    probe_machine(off, 60)
    monkeypatch.setattr(probe, "can_compile", lambda device: False)
    probe_machine(SETTINGS, 60)
    assert compiled == []
    on = resolve("modern-12m", assignments=("device=cpu", "compile=on"))
    with pytest.raises(DeviceError, match="no compiler"):
        probe_machine(on, 60)
