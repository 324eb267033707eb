"""What is told of odd steps."""

from __future__ import annotations

import math

from slm.train.anomalies import MAX_STORIES_KEPT, fault_at, skip_at, spike_at
from slm.train.spikes import LossWatch
from slm.train.step import Fault

WATCH = LossWatch(mean=2.0, variance=0.01, n_seen=100)


def test_a_spike_tells_what_was_usual() -> None:
    record = spike_at(7, 2.7, WATCH)
    assert record is not None
    assert (record.step, record.anomaly, record.loss) == (7, "spike", 2.7)
    for word in ("step 7", "2.7000", "2.0000", "0.1000"):
        assert word in record.text


def test_what_is_no_spike() -> None:
    for loss in (1.0, 2.0, 2.59, math.nan, math.inf):  # the last two are faults
        assert spike_at(7, loss, WATCH) is None


def test_a_fault_names_step_tensor_and_the_first_stories() -> None:
    text = fault_at(9, Fault("gradient", "final_norm.weight"), [3, 4, 17])
    assert text == (
        "step 9: the gradient of final_norm.weight is not finite; it read the training stories "
        "3, 4, 17"
    )
    assert fault_at(9, Fault("loss", micro_batch=1), range(100)).endswith(", 11 and 88 more")


def test_every_kind_of_fault_says_what_it_is() -> None:
    texts = {
        str(fault)
        for fault in (
            Fault("weight", "a"),
            Fault("loss"),
            Fault("loss", micro_batch=0),
            Fault("gradient"),
            Fault("gradient", "a"),
            Fault("update", "a"),
            Fault("update"),
        )
    }
    assert len(texts) == 7
    assert "the loss of micro-batch 1 is not finite" in texts
    assert not any("None" in text for text in texts)


def test_a_skip_keeps_a_bounded_number_of_stories() -> None:
    record = skip_at(9, math.nan, "step 9: bad", range(10**6))
    assert record.anomaly == "skipped"
    assert record.text.startswith("step 9: bad; the step was skipped")
    assert record.stories == tuple(range(MAX_STORIES_KEPT))
