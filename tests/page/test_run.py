"""The Training view in a real browser."""

from __future__ import annotations

import json
import shutil

import pytest

from slm.config.run_files import OVER_TIME_FILE
from slm.evals.facts import HELD_OUT
from slm.evals.suite import Score, SuiteResult
from slm.reporting.over_time import OverTime, ScoredCheckpoint, write_over_time
from tests.page.conftest import PHONE
from tests.page.test_write import overflow


def step(number, of=100):
    return {
        "kind": "train",
        "step": number,
        "loss": 5 - number / 50,
        "tokens": 1000 * number,
        "tokens_per_second": 2500.0,
        "elapsed_seconds": 2.0 * number,
        "progress": number / of,
    }


def append(folder, *records):
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def run(run_folder):
    append(run_folder, *map(step, range(1, 31)))
    yield run_folder
    (run_folder / "metrics.jsonl").unlink()


def metrics(page):
    names = page.locator("#run-metrics dt").all_text_contents()
    return dict(zip(names, page.locator("#run-metrics dd").all_text_contents(), strict=True))


def test_a_run_in_progress(open_page, run):
    page = open_page("#run")
    page.wait_for_selector("#run-curve svg")
    assert page.locator("#run-title").text_content() == "a-run"
    assert page.locator("#run-status").text_content().startswith("Running")
    shown = metrics(page)
    assert shown["step"] == "30"
    assert shown["time left"] == "2 min 20 s"
    assert shown["tokens/s"] == "2,500"
    assert "Not evaluated yet" in page.locator("#run-curve svg").get_attribute("aria-label")
    append(
        run,
        step(31),
        {"kind": "validation", "step": 31, "loss": 4.2, "bits_per_byte": 1.9},
        {"kind": "sample", "step": 31, "prompt": "One day", "text": " <b>a fox</b> came."},
    )
    page.wait_for_function("() => document.querySelectorAll('.sample').length === 1")
    assert page.locator(".sample p").text_content() == "One day <b>a fox</b> came."
    assert metrics(page)["bits per byte"] == "1.900"
    assert page.locator(".validation-point").count() == 1


def test_a_resumed_run_replaces_its_records(open_page, run):
    page = open_page("#run")
    page.wait_for_selector("#run-curve svg")
    replacement = run / "new"
    replacement.write_text(
        "".join(json.dumps(step(n)) + "\n" for n in range(1, 21)), encoding="utf-8"
    )
    replacement.replace(run / "metrics.jsonl")
    page.wait_for_function(
        "() => document.querySelectorAll('#run-metrics dd')[2].textContent === '20'"
    )


def test_a_finished_run(open_page, run):
    append(run, step(100), {"kind": "validation", "step": 100, "loss": 3.0, "bits_per_byte": 1.5})
    page = open_page("#run")
    page.wait_for_selector("#run-curve svg")
    assert page.locator("#run-status").text_content() == "Finished. Training time: 3 min 20 s."
    assert page.locator("#run-metrics progress").get_attribute("value") == "1"


HOLD_RECORDS = """
const send = window.fetch;
const isReleased = new Promise((resolve) => { window.releaseRecords = resolve; });
window.fetch = async (path, ...more) => {
  if (String(path).startsWith("/run/records")) await isReleased;
  return send(path, ...more);
};
"""


def test_switching_views_while_records_are_read_adds_none_twice(open_page, run):
    append(run, {"kind": "sample", "step": 30, "prompt": "One day", "text": " a fox came."})
    page = open_page("#run", before=lambda page: page.add_init_script(HOLD_RECORDS))
    for view, is_hidden in (("#write", "true"), ("#run", "false")):
        page.evaluate(f"() => {{ location.hash = '{view}'; }}")
        page.wait_for_function(f"() => document.getElementById('run').hidden === {is_hidden}")
    page.evaluate("() => window.releaseRecords()")
    page.wait_for_selector(".sample")
    append(run, {"kind": "sample", "step": 31, "prompt": "One day", "text": " a dog came."})
    page.wait_for_function(
        "() => document.querySelector('.sample p').textContent.endsWith('a dog came.')"
    )
    assert page.locator(".sample").count() == 2


def test_a_run_before_its_first_step(open_page):
    page = open_page("#run")
    page.wait_for_function(
        "() => document.getElementById('run-status').textContent.includes('No training step')"
    )


def test_on_a_phone(open_page, run):
    page = open_page("#run", viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector("#run-curve svg")
    assert overflow(page) <= 0
    # The chart is drawn at the size of the screen, so its labels are as large as they say.
    chart = page.locator("#run-curve svg")
    assert chart.evaluate("chart => chart.getScreenCTM().a") == pytest.approx(1, abs=0.05)


def test_anomalies_are_marked_and_explained(open_page, run):
    page = open_page("#run")
    page.wait_for_selector("#run-curve svg")
    assert page.locator(".key-anomaly").count() == 0
    append(run, step(31), {"kind": "anomaly", "step": 31})
    page.wait_for_selector(".key-anomaly")
    assert page.locator(".anomaly").count() == 1


@pytest.fixture
def learned(run):
    """A run with a ladder of three checkpoints, whose facts were tested."""
    checkpoints = []
    for step, value in ((10, 50.0), (100, 80.0), (1000, 95.0)):
        folder = run / "ladder" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "MANIFEST.json").touch()
        scores = (
            Score(f"who{end}", value, value - 5, value + 5, 9, 50.0) for end in ("", HELD_OUT)
        )
        results = {"facts": SuiteResult("facts", None, tuple(scores), 0)}
        checkpoints.append(ScoredCheckpoint(step, 0, 0.0, "w", results))
    write_over_time(run, OverTime(tuple(checkpoints)))
    yield run
    shutil.rmtree(run / "ladder")
    (run / OVER_TIME_FILE).unlink()


def test_a_run_without_a_ladder_has_no_curves(open_page, run):
    page = open_page("#run")
    page.wait_for_selector("#run-curve svg")
    assert page.locator("#over-time").is_hidden()


def test_every_checkpoint_continues_the_prompt(open_page, learned):
    page = open_page("#run")
    page.wait_for_selector("#over-time .score svg")
    assert page.locator("#over-time-at").text_content() == "step 1,000"
    assert page.locator(".score figcaption").all_text_contents() == ["facts: who95 / 95"]
    assert "half of it by step 100" in page.locator(".score svg").get_attribute("aria-label")
    page.fill("#over-time-prompt", "One day")
    page.press("#over-time-prompt", "Enter")
    page.wait_for_function(
        "() => document.getElementById('status-message').textContent.startsWith('3 checkpoints')"
    )
    text = page.locator("#over-time-text").text_content()
    assert text.startswith("One day ")
    assert len(text) > 100
    page.locator("#over-time-step").press("Home")
    assert page.locator("#over-time-at").text_content() == "step 10"
    assert page.locator("#over-time-step").get_attribute("aria-valuetext") == "step 10"
    assert page.locator("#over-time-text").text_content() == text  # the same model and seed here
    assert page.locator(".score figcaption span").last.text_content() == "50 / 50"


def test_how_it_learned_on_a_phone(open_page, learned):
    page = open_page("#run", viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector("#over-time .score svg")
    assert overflow(page) <= 0
