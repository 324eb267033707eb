"""What a racer's line tells, times to a target, ratios, and parts of a race put together."""

from __future__ import annotations

import json
import math

import pytest
from curves import bits_told, draw, joined, outcome, seconds_to, tell, time_ratio

OURS = [(10.0, 2.0), (20.0, 1.4)]
PEER = [(30.0, 2.4), (60.0, 1.9), (90.0, 1.5)]


def test_ours_tells_bits_per_byte_itself():
    line = "step 1,200: training loss 1.5000, validation loss 1.6000 (0.8123 bits per byte), 12s"
    assert bits_told(line, None) == 0.8123
    assert bits_told(line, 9.9) == 0.8123


def test_nats_of_others_become_bits_per_byte():
    found = bits_told("step 250: train loss 2.4000, val loss 2.0000", 4.0)
    assert found == pytest.approx(2.0 / math.log(2) / 4.0)


@pytest.mark.parametrize(
    "line",
    [
        "iter 250: loss 2.4000, time 100.00ms, mfu 0.10%",
        "step 250: train loss nan, val loss nan",
        "  step 250  loss 2.400  1,000 tokens/s  3m left",
        "best validation loss  2.1000 (0.9000 bits per byte)",
        "",
    ],
)
def test_other_lines_tell_nothing(line):
    assert bits_told(line, 4.0) is None


def test_nats_without_their_tokens_tell_nothing():
    assert bits_told("step 0: val loss 4.2000", None) is None


def test_the_first_time_counts():
    assert seconds_to([(1.0, 2.0), (2.0, 1.0), (3.0, 1.1), (4.0, 0.9)], 1.0) == 2.0
    assert seconds_to(PEER, 1.0) is None


def test_the_ratio_is_of_medians_over_rounds():
    assert time_ratio([OURS], [PEER], 2.0) == pytest.approx(10 / 60)
    fast, slow = [(5.0, 1.0)], [(50.0, 1.0)]
    assert time_ratio([fast, OURS, slow], [PEER], 2.0) == pytest.approx(10 / 60)


@pytest.mark.parametrize(("ours", "peer"), [([OURS], []), ([], [PEER]), ([[]], [PEER])])
def test_no_ratio_without_both(ours, peer):
    assert time_ratio(ours, peer, 2.0) is None


def test_no_ratio_where_one_never_came():
    assert time_ratio([OURS], [PEER], 1.45) is None


def test_each_ours_is_compared_with_each_peer():
    curves = {"ours --minutes 1": [OURS], "ours": [PEER], "nanogpt": [PEER], "gpt2": [[]]}
    result = outcome("stories", curves, {"2 bits": 2.0})
    assert result["seconds_to"]["2 bits"]["gpt2"] == [None]
    assert result["ratios"]["2 bits"] == {
        "ours --minutes 1": {"nanogpt": pytest.approx(1 / 6), "gpt2": None},
        "ours": {"nanogpt": 1.0, "gpt2": None},
    }


def saved(curves, task="stories", targets=None):
    return json.loads(json.dumps(outcome(task, curves, targets or {"2 bits": 2.0})))


def test_parts_of_a_race_are_one():
    first = saved({"ours": [OURS], "nanogpt": [PEER]})
    result = joined([first, saved({"gpt2": [PEER], "ours": [OURS]})])
    assert list(result["curves"]) == ["ours", "nanogpt", "gpt2"]
    assert len(result["curves"]["ours"]) == 2
    assert result["ratios"]["2 bits"]["ours"]["gpt2"] == pytest.approx(1 / 6)
    assert joined([first]) == first


@pytest.mark.parametrize("other", [{"task": "shakespeare"}, {"targets": {"2 bits": 2.1}}])
def test_parts_of_other_races_are_refused(other):
    with pytest.raises(ValueError, match="different"):
        joined([saved({}), saved({}, **other)])


def test_what_is_told(capsys):
    tell(outcome("stories", {"ours": [OURS], "nanogpt": [PEER]}, {"2 bits": 2.0, "1 bit": 1.0}))
    assert capsys.readouterr().out.splitlines() == [
        "2 bits",
        "  ours                     10 s",
        "  nanogpt                  60 s",
        "  ours / nanogpt: 0.167 of the time (1/6.0)",
        "1 bit",
        "  ours                     never",
        "  nanogpt                  never",
    ]


def test_the_picture_has_room_for_all(tmp_path):
    draw({f"racer {number}": [OURS, []] for number in range(9)}, tmp_path / "race.png")
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")
