"""Times to a target, ratios, and parts of a race put together."""

from __future__ import annotations

import json

import pytest
from curves import draw, joined, outcome, print_outcome, seconds_to, table, time_ratio

OURS = [(10.0, 2.0), (20.0, 1.4)]
PEER = [(30.0, 2.4), (60.0, 1.9), (90.0, 1.5)]


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
    result = outcome("stories", curves, {"2 bits": 2.0}, {})
    assert result["seconds_to"]["2 bits"]["gpt2"] == [None]
    assert result["ratios"]["2 bits"] == {
        "ours --minutes 1": {"nanogpt": pytest.approx(1 / 6), "gpt2": None},
        "ours": {"nanogpt": 1.0, "gpt2": None},
    }


def saved(curves, task="stories", targets=None):
    at_end = {name: [1.25 for _ in rounds] for name, rounds in curves.items()}
    return json.loads(json.dumps(outcome(task, curves, targets or {"2 bits": 2.0}, at_end)))


def test_parts_of_a_race_are_one():
    first = saved({"ours": [OURS], "nanogpt": [PEER]})
    result = joined([first, saved({"gpt2": [PEER], "ours": [OURS]})])
    assert list(result["curves"]) == ["ours", "nanogpt", "gpt2"]
    assert len(result["curves"]["ours"]) == 2
    assert result["at_end"] == {"ours": [1.25, 1.25], "nanogpt": [1.25], "gpt2": [1.25]}
    assert result["ratios"]["2 bits"]["ours"]["gpt2"] == pytest.approx(1 / 6)
    assert joined([first]) == first


@pytest.mark.parametrize("other", [{"task": "shakespeare"}, {"targets": {"2 bits": 2.1}}])
def test_parts_of_other_races_are_refused(other):
    with pytest.raises(ValueError, match="different"):
        joined([saved({}), saved({}, **other)])


CURVES = {"ours": [OURS], "nanogpt": [PEER]}
TARGETS = {"2 bits per byte": 2.0, "1 bits per byte": 1.0}
AT_END = {"ours": [1.375], "nanogpt": [None]}


def test_what_is_printed(capsys):
    print_outcome(outcome("stories", CURVES, TARGETS, AT_END))
    assert capsys.readouterr().out.splitlines() == [
        "2 bits per byte",
        "  ours                     10 s",
        "  nanogpt                  60 s",
        "  ours / nanogpt: 0.167 of the time (1/6.0)",
        "1 bits per byte",
        "  ours                     never",
        "  nanogpt                  never",
        "bits per byte at the end",
        "  ours                     1.375",
        "  nanogpt                  unknown",
    ]


def test_the_table():
    assert table(outcome("stories", CURVES, TARGETS, AT_END)).splitlines() == [
        "| seconds to | 2 | 1 | at the end |",
        "|---|---|---|---|",
        "| ours | 10 |  | 1.375 after 20 s |",
        "| nanogpt | 60 |  | unknown after 90 s |",
    ]


def test_the_picture_has_room_for_all(tmp_path):
    draw({f"racer {number}": [OURS, []] for number in range(9)}, tmp_path / "race.png")
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")
