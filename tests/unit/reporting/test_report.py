"""The report as a page: valid HTML, escaped text, bounded size, pictures with words."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from justhtml import JustHTML

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import SET
from slm.errors import UsageError
from slm.evals.facts import HELD_OUT
from slm.evals.suite import Score, SuiteResult
from slm.reporting import report_parts as parts
from slm.reporting.over_time import OverTime, ScoredCheckpoint
from slm.reporting.report import Report, Story, write_report
from slm.reporting.report_over_time import over_time_curve, over_time_table
from slm.reporting.report_stories import last_samples, ranked_stories
from slm.reporting.run_summary import number, summary_of, usable

HOSTILE = """</p></style><script>alert("x")</script><img src=x onerror=alert(1)> & "quotes" 'x' \
<!-- {{ 7*7 }} {% raw %} ]]> \u202e \U0001f600"""


def records(n_steps: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step in range(1, n_steps + 1):
        found.append(
            {
                "kind": "train",
                "step": step,
                "loss": 2.0 + 5.0 / step,
                "learning_rate": 0.01,
                "tokens": 100 * step,
                "tokens_per_second": 50.0,
                "elapsed_seconds": 2.0 * step,
                "progress": step / n_steps,
            }
        )
        if step % (n_steps // 2) == 0:
            found.append(
                {
                    "kind": "validation",
                    "step": step,
                    "loss": 2.5 - step / n_steps,
                    "bits_per_byte": 1.0,
                    "tokens": 500,
                    "elapsed_seconds": 2.0 * step,
                    "peak_memory_bytes": 3e8,
                }
            )
    return found


OVER_TIME = OverTime(
    tuple(
        ScoredCheckpoint(
            step,
            10 * step,
            1.0,
            "a",
            {
                "facts": SuiteResult(
                    "facts",
                    None,
                    tuple(
                        Score(f"who{end}", at, at - 5, at + 5, 9, 50.0) for end in ("", HELD_OUT)
                    ),
                    0,
                )
            },
        )
        for step, at in ((10, 50.0), (20, 60.0), (50, 90.0), (100, 90.0))
    )
)

PLAN = {
    "minutes": 4.0,
    "steps": 120,
    "seconds_per_step": 1.9,
    "tokens": 12_000,
    "expected_bits_per_byte": 0.95,
    "memory_bytes": 4e8,
    "restatements": [
        {
            "step": 30,
            "elapsed_seconds": 60.0,
            "steps": 100,
            "tokens": 10_000,
            "seconds_per_step": 2.0,
            "expected_bits_per_byte": 0.98,
        },
    ],
}


def report(found: list[dict[str, Any]], words: str = "a story", **changes: Any) -> Report:
    clean = usable(found)
    summary = summary_of(clean)
    settings = RunConfig(
        GPTConfig(n_layer=1, n_embd=48), TrainingConfig(), DataConfig(source=words), origins={}
    ).with_values({"train.sample_prompts": (words,)}, SET)
    score = Score(words, 61.0, 55.0, 67.5, 100, 50.0)
    values: dict[str, Any] = {
        "name": words,
        "lead": parts.lead(settings.model, settings, summary),
        "figures": [("bits per byte", "1.000")],
        "notes": [words],
        "model": parts.model_rows(settings.model, words),
        "text": parts.text_rows(settings, None, summary),
        "plan": parts.plan_table(PLAN, summary),
        "restatements": parts.restatement_sentences(PLAN),
        "curves": parts.curves(clean),
        "anomalies": parts.anomaly_table(
            [{"kind": "anomaly", "step": 3, "anomaly": words, "text": words}]
        ),
        "over_time": over_time_curve(OVER_TIME),
        "over_time_table": over_time_table(OVER_TIME),
        "suites": [parts.suite_table(SuiteResult(words, score, (score,), 0))],
        "stories": [Story(words, words, words)],
        "stories_note": words,
        "cost": parts.cost_rows(summary, settings.model, planned_bytes=None, model_bytes=10),
        "commands": [(words, words)],
        "conditions": [(words, words)],
        "settings": parts.settings_table(settings),
    }
    return Report(**{**values, **changes})


def parsed(html: str) -> JustHTML:
    """The page; an error of HTML's syntax fails."""
    return JustHTML(html, strict=True, sanitize=False)


@pytest.fixture(scope="module")
def html() -> str:
    return report(records()).to_html()


def test_the_page_is_valid_and_needs_nothing_else(html: str) -> None:
    page = parsed(html)
    assert not page.query("script, link, img, iframe, object")
    policies = [each.attrs["content"] for each in page.query("meta[http-equiv]")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "http" not in re.sub(r"http-equiv", "", html)
    ids = [each.attrs["id"] for each in page.query("[id]")]
    assert len(ids) == len(set(ids)) > 20


def test_it_can_be_read_without_seeing_it(html: str) -> None:
    page = parsed(html)
    assert page.query("html")[0].attrs["lang"] == "en"
    ids = {each.attrs["id"]: each for each in page.query("[id]")}
    pictures = page.query("svg")
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.attrs["role"] == "img"
        words = [ids[name].to_text() for name in str(picture.attrs["aria-labelledby"]).split()]
        assert len(words) == 2
        assert all(words)
    for name in re.findall(r'(?:url\(|href=")#([^)"]+)', html):
        assert name in ids
    levels = [int(each.name[1]) for each in page.query("h1, h2, h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for table in page.query("table"):
        assert table.query("caption")
        assert all(each.attrs.get("scope") for each in table.query("th"))


def luminance(color: str) -> float:
    """Relative luminance of `#rrggbb`, of WCAG 2.2."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_colors_contrast_in_light_dark_and_print(html: str) -> None:
    style = html.partition("<style>")[2].partition("</style>")[0]
    schemes = re.findall(r"color-scheme: \w+;\s*((?:--\w+: #[0-9a-f]+;\s*)+)", style)
    assert len(schemes) == 3
    for scheme in schemes:
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", scheme))
        colors = {
            name: c if len(c) == 7 else f"#{c[1] * 2}{c[2] * 2}{c[3] * 2}"
            for name, c in colors.items()
        }
        for name, least in (
            *(("text", 7.0), ("muted", 4.5), ("accent", 4.5)),
            *(("training", 3.0), ("validation", 4.5)),
        ):
            for paper in ("background", "surface"):
                light, dark = sorted(
                    (luminance(colors[name]), luminance(colors[paper])), reverse=True
                )
                assert (light + 0.05) / (dark + 0.05) >= least, (name, paper, colors)


def test_hostile_text_stays_text() -> None:
    page = parsed(report(records(), HOSTILE).to_html())
    assert not page.query("script, img, style + style")
    story = page.query(".story p")[0].to_text(separator="", strip=False)
    assert story == HOSTILE * 2
    assert page.query("title")[0].to_text(separator="", strip=False) == f"{HOSTILE}: report"
    assert not page.query("[onerror]")


def test_characters_that_html_forbids_are_replaced() -> None:
    odd = "".join(map(chr, [*range(32), *range(0x7F, 0xA1), 0xD800, 0xFDD0, 0xFFFE, 0x10FFFF]))
    page = parsed(report([], name=odd, stories=[Story(odd, odd, odd)]).to_html())
    shown = page.query(".story p")[0].to_text(separator="", strip=False)
    allowed = {"\t", "\n", "\xa0"}
    assert shown == "".join(c if c in allowed else "\ufffd" for c in odd) * 2


def test_numbers_of_any_kind_leave_a_page() -> None:
    odd: list[Any] = [None, "x", True, 1e308, float("nan"), [1], {}, -5, 10**400]
    found = records()
    for number_, value in enumerate(odd):
        for name in ("loss", "learning_rate", "tokens_per_second", "tokens", "elapsed_seconds"):
            found.append({"kind": "train", "step": 101 + number_, name: value})
        found.append({"kind": "validation", "step": 101 + number_, "loss": value})
        found.append({"kind": value, "step": 5, "text": value})
    found.append({"kind": "train", "step": 10**400, "loss": 1.0})
    found.append({"kind": "train", "step": -1, "loss": 1.0})
    parsed(report(found).to_html())


def test_an_empty_run_has_a_page() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("figures", "notes", "text", "restatements", "suites", "stories", "commands", "conditions"),
        (),
    )
    none = dict.fromkeys(("plan", "settings", "anomalies", "over_time", "over_time_table"))
    page = parsed(report([], **none, **nothing).to_html())
    assert not page.query("svg, table, article")


def test_the_size_is_bounded() -> None:
    long = "x" * 300_000
    found = [*records(10_000), *records(10_000)]
    found += [{"kind": "anomaly", "step": n, "text": long} for n in range(500)]
    told = last_samples([{"kind": "sample", "step": 1, "text": long}] * 500)
    html = report(
        found,
        stories=told,
        anomalies=parts.anomaly_table(usable(found)),
        curves=parts.curves(found),
    ).to_html()
    assert len(html) < 700_000


def test_the_plan_is_compared_with_the_outcome() -> None:
    table = parts.plan_table(PLAN, summary_of(usable(records())))
    assert table is not None
    assert table.head == ("", "planned", "restated", "outcome")
    assert table.rows == (
        ("minutes", "4", "", "3.333"),
        ("steps", "120", "100", "100"),
        ("seconds per step", "1.900", "2.000", "2.000"),
        ("tokens", "12,000", "10,000", "10,000"),
        ("bits per byte", "0.950", "0.980", "1.000"),
        ("memory in GB", "0.40", "", "0.30"),
    )
    assert parts.restatement_sentences(PLAN) == [
        "step 30, after 1m00s: expect 100 steps and 0.98 bits per byte"
    ]


def test_the_table_over_time_says_when_half_of_a_change_is_done() -> None:
    table = over_time_table(OVER_TIME)
    assert table is not None
    assert table.head == ("", "step 10", "step 100", "half of the change by step")
    assert table.rows[0] == ("facts: who", "50.0", "90.0", "50")
    assert over_time_table(OverTime()) is over_time_curve(OverTime()) is None


@pytest.mark.parametrize(
    "plan", [{}, {"steps": "many"}, {"restatements": 3}, {"restatements": [1, {"step": None}]}]
)
def test_a_plan_of_nonsense_does_no_harm(plan: dict[str, Any]) -> None:
    table = parts.plan_table(plan, summary_of([]))
    assert table is None or all(cell == "0" for row in table.rows for cell in row[1:] if cell)
    assert parts.restatement_sentences(plan) == []


def test_the_summary_of_a_run() -> None:
    summary = summary_of(usable(records()))
    assert (summary.steps, summary.tokens, summary.seconds) == (100, 10_000, 200.0)
    assert (summary.best_step, summary.best_loss, summary.scored_tokens) == (100, 1.5, 500)
    assert summary.peak_memory_bytes == 3e8
    assert number({"a": True}, "a") is None


def test_the_best_and_the_worst_stories_are_shown() -> None:
    told = [
        {"prompt": "Once", "text": f" story {n}", "language": float(n), "ending": 100.0}
        for n in range(25)
    ]
    names = [Score(name, 50.0, 40.0, 60.0, 25) for name in ("language", "ending")]
    result = SuiteResult("stories", None, tuple(names), 0, {"stories": told})
    shown = ranked_stories(result)
    assert [story.text for story in shown] == [
        f" story {n}" for n in (24, 23, 22, 21, 20, 4, 3, 2, 1, 0)
    ]
    assert shown[0].label == "rank 1 of 25: mean 62.0; language 24"
    assert shown[-1].label == "rank 25 of 25: mean 50.0; language 0"
    assert ranked_stories(SuiteResult("stories", None, tuple(names), 0, {"stories": "x"})) == []


def test_only_a_report_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(report([], "first"), path)
    write_report(report([], "second"), path)
    assert "<h1>second</h1>" in path.read_text("utf-8")
    path.write_text("<html>my page</html>", "utf-8")
    with pytest.raises(UsageError, match="is not a report") as caught:
        write_report(report([]), path)
    assert caught.value.hint == f"name another file with --out {tmp_path / 'report-2.html'}"
    assert path.read_text("utf-8") == "<html>my page</html>"
