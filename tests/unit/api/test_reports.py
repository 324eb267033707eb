"""Reports and comparisons of real runs, of models without a run, and of old ones."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from justhtml import JustHTML

import slm
from slm.api.reports import _notes, open_subject
from slm.cli import main
from slm.errors import ConfigError, DataError, UsageError
from slm.evals.suite import ITEMS_SHA256, Score, SuiteResult
from slm.reporting.run_summary import summary_of
from slm.reporting.suite_file import keep_suite
from tests.conftest import tell_stories

FIXTURES = Path(__file__).parents[2] / "fixtures"
QUICK = ["eval_tokens=64", "sample_prompts=['Once <b>']", "threads=1", "eval_interval=2"]


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: `a` and `b` on the same data, `c` with another tokenizer and the same text."""
    folder = tmp_path_factory.mktemp("reports")
    text = folder / "stories.txt"
    text.write_text(tell_stories(400, seed=0), encoding="utf-8", newline="\n")
    base = ["train", "--preset", "tiny", "--set", *QUICK, "--json"]
    with contextlib.chdir(folder):
        for name, words in (
            ("a", ["--data", str(data_dir), "--steps", "4"]),
            ("b", ["--data", str(data_dir), "--steps", "2", "--seed", "5"]),
            (
                "c",
                ["--source", "stories.txt", "--tokenizer", "bpe:300", "--steps", "2"],
            ),
        ):
            more = ["--set", "validation_fraction=0.1"] if name == "c" else []
            assert main([*base, *words, *more, "--out", name]) == 0
    return folder


@pytest.fixture
def quiet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs' folder is the working directory; the notes are collected."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("slm.api.reports.STORY_TOKENS", 20)
    return []


def compare(
    *runs: str, said: list[str] | None = None, **rest: Any
) -> slm.api.comparison.Comparison:
    log = (said if said is not None else []).append
    return slm.compare(runs, progress=False, log=log, device="cpu", **rest)


def test_the_report_of_a_run(quiet: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "a", "--json", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(Path("a/report.html"))
    page = JustHTML(Path("a/report.html").read_text("utf-8"), strict=True, sanitize=False)
    assert len(page.query("svg")) == 3
    stories = page.query(".story")
    assert len(stories) == 10
    assert page.query(".prompt")[0].to_text() == "Once <b>"
    assert [story["text"] for story in told["stories"]] == [
        text[len("Once <b>") :]
        for text in slm.load("a", device="cpu").generate(
            "Once <b>", n=10, seed=0, max_new_tokens=20
        )
    ]
    costs = dict(told["cost"])
    assert "peak memory" in costs
    assert dict(told["conditions"])["seed"] == "1337"
    commands = [command for _, command in told["commands"]]
    assert commands[0].startswith("slm train --preset tiny --steps 4 --data ")
    assert commands[1] == "slm train --config a/config.json --out a-again"
    settings = {name: value for name, value, _ in told["settings"]["rows"]}
    assert settings["train.sample_prompts"] == '["Once <b>"]'


def test_the_same_seed_gives_the_same_page(quiet: list[str]) -> None:
    pages = [
        slm.report("a", f"{n}.html", seed=seed, log=quiet.append, device="cpu").contents
        for n, seed in enumerate((3, 3, 4))
    ]
    assert Path("0.html").read_bytes() == Path("1.html").read_bytes()
    assert pages[0].stories != pages[2].stories


def test_saved_suites_are_shown(quiet: list[str]) -> None:
    from slm.checkpoint import load_checkpoint

    told = [{"prompt": "Once", "text": f" {n}", "ending": float(n)} for n in range(12)]
    score = Score("ending", 61.0, 55.0, 67.5, 12)
    result = SuiteResult("stories", None, (score,), 0, {"stories": told})
    for run in ("a", "b"):
        keep_suite(Path(run), load_checkpoint(Path(run) / "best").weights_sha256, result)
    try:
        contents = slm.report("a", "r.html", log=quiet.append, device="cpu").contents
        assert contents.suites[0].rows == (("ending", "61.0", "55.0 to 67.5", "", "12"),)
        assert [story.text for story in contents.stories[:2]] == [" 11", " 10"]
        (row,) = compare("a", "b").suites
        assert (row.suite, row.name, row.verdicts) == ("stories", "ending", ("noise",))
        assert compare("a", "c").suites == ()
    finally:
        for run in ("a", "b"):
            (Path(run) / "suites.json").unlink()


def test_the_suites_of_an_evaluation_are_kept(
    quiet: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def evaluate(lm: slm.LanguageModel, suite: str, *, seed: int, **rest: Any) -> SuiteResult:
        asked.append((suite, seed))
        return SuiteResult(suite, Score(suite, 50.0, 40.0, 60.0, 9), (), seed)

    monkeypatch.setattr(slm.LanguageModel, "evaluate", evaluate)
    words = ["eval", "--checkpoint", "b", "--device", "cpu", "--suite"]
    try:
        assert main([*words, "facts"]) == 0
        assert main([*words, "stories", "--limit", "2"]) == 0  # a part is not kept
        _, contents = slm.report("b", "r.html", suites=["facts"], log=quiet.append, device="cpu")
        assert [table.name for table in contents.suites] == ["suite facts"]
        assert asked == [("facts", 0), ("stories", 0)]
        slm.report("b", "r.html", suites=["facts"], seed=1, log=quiet.append, device="cpu")
        assert asked[2:] == [("facts", 1)]
        with pytest.raises(UsageError, match="unknown suite"):
            slm.report("b", "r.html", suites=["fact"], log=quiet.append, device="cpu")
    finally:
        Path("b/suites.json").unlink(missing_ok=True)


def test_a_suite_that_cannot_be_run_names_the_model(
    quiet: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(lm: slm.LanguageModel, suite: str, **rest: Any) -> SuiteResult:
        raise DataError("the stories are longer than the model's context", hint="look")

    monkeypatch.setattr(slm.LanguageModel, "evaluate", evaluate)
    with pytest.raises(DataError, match="^a: the stories are longer"):
        compare("a", "b", suites="facts")
    with pytest.raises(UsageError, match="found 1"):
        slm.compare("a")


@pytest.mark.usefixtures("builtin")
def test_the_report_of_the_built_in_model_is_not_in_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slm.api.reports.STORY_TOKENS", 5)
    path, _ = slm.report("builtin", log=print, device="cpu")
    assert path.resolve() == Path.cwd() / "report.html"


@pytest.mark.parametrize(
    ("progress", "evaluated", "is_finished"),
    [(0.99, False, True), (0.95, True, True), (0.95, False, False), (0.5, True, False)],
)
def test_a_run_that_the_clock_has_ended_is_finished(
    quiet: list[str], progress: float, evaluated: bool, is_finished: bool
) -> None:
    """Where steps are long, the last one that fits may end well before the time is up."""
    records: list[dict[str, Any]] = [{"kind": "train", "step": 7, "progress": progress}]
    records += [{"kind": "validation", "step": 7 if evaluated else 6, "loss": 1.0}]
    notes = list(_notes(open_subject("a", log=quiet.append), summary_of(records)))
    assert any("is not finished" in note for note in notes) is not is_finished


def test_a_model_without_a_run(quiet: list[str]) -> None:
    shutil.copytree("a/best", "imported", dirs_exist_ok=True)
    path, contents = slm.report("imported", log=quiet.append, device="cpu")
    assert path == Path("imported/report.html")
    assert "not trained here" in contents.lead
    assert contents.curves == []
    assert contents.settings is None
    assert len(contents.stories) == 10
    JustHTML(path.read_text("utf-8"), strict=True, sanitize=False)
    assert slm.load("imported", device="cpu").state.step > 0  # the folder is still valid


@pytest.mark.parametrize("version", ["v1", "v1-old-names"])
def test_a_run_of_an_earlier_version(version: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / version / "run", run)
    path, contents = slm.report(run, log=print, device="cpu")
    JustHTML(path.read_text("utf-8"), strict=True, sanitize=False)
    assert contents.curves
    assert contents.settings is not None


def test_a_run_that_has_saved_nothing_yet(quiet: list[str], tmp_path: Path) -> None:
    run = tmp_path / "young"
    run.mkdir()
    for name in ("config.json", "metrics.jsonl"):
        shutil.copy(Path("a") / name, run / name)
    _, contents = slm.report(run, log=quiet.append)
    assert "no model that could write" in " ".join(contents.notes)
    assert contents.stories[0].label.startswith("at step")
    with pytest.raises(UsageError, match="no saved model yet"):
        slm.report(run, suites=["facts"], log=quiet.append)
    with pytest.raises(UsageError, match="no saved model yet"):
        compare("a", str(run))


def test_two_runs_are_compared_on_the_same_stories(quiet: list[str]) -> None:
    found = compare("a", "b", said=quiet)
    assert quiet == []
    assert found.stories == 41
    assert dict(found.settings) == {"train.max_steps": (4, 2), "train.seed": (1337, 5)}
    whole = [slm.evaluate(run, data=str(data_of("a")), progress=False) for run in ("a", "b")]
    for model, result in zip(found.models, whole, strict=True):
        assert model.bits_per_byte.value == pytest.approx(result.bits_per_byte, rel=1e-5)
        assert model.loss is not None
        assert model.loss.value == pytest.approx(result.loss, rel=1e-5)
    (difference,) = found.differences
    assert difference.value == pytest.approx(
        whole[1].bits_per_byte - whole[0].bits_per_byte, abs=1e-5
    )
    assert difference.verdict == "worse"
    assert 0.0 < difference.low < difference.value < difference.high
    assert compare("a", "b") == found


def data_of(run: str) -> str:
    return str(slm.open_run(run).config.data.data_dir)


def test_other_tokenizers_are_compared_in_bits_per_byte(quiet: list[str]) -> None:
    found = compare("a", "c", stories=30)
    assert [model.loss for model in found.models] == [None, None]
    assert found.stories == 30
    assert found.text.startswith("30 stories")
    assert "the 41 in the validation text of a" in found.text


def test_a_model_and_itself_are_noise(quiet: list[str]) -> None:
    shutil.copytree("a/best", "twin", dirs_exist_ok=True)
    (difference,) = compare("a", "twin").differences
    assert (difference.value, difference.verdict) == (0.0, "noise")


def test_a_checkpoint_of_a_run_is_that_checkpoint(quiet: list[str]) -> None:
    step = "a/checkpoints/step-000002"
    shutil.copytree("b/checkpoints/step-000002", step)
    try:
        found = compare("a", step, "b", said=quiet)
        assert [model.name for model in found.models] == ["a", "a-step-2", "b"]
        assert found.models[1].bits_per_byte == found.models[2].bits_per_byte
        assert found.models[1].bits_per_byte != found.models[0].bits_per_byte
        written = slm.report(step, log=quiet.append, device="cpu")
        assert written.path == Path(step) / "report.html"
        run = Path("a").resolve()
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        (tokens,) = [r["tokens"] for r in records if (r["kind"], r["step"]) == ("train", 2)]
        assert f"{tokens:,}" in {value for _, value in written.contents.figures}
        assert "up to step 2" in written.contents.notes[0]
    finally:
        shutil.rmtree(step)


def test_mistakes_are_found_before_the_work(
    quiet: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slm.api.comparison.open_subject", None)  # would fail
    monkeypatch.setattr("slm.api.reports.suite_results", None)
    with pytest.raises(UsageError, match="typo"):
        compare("a", "b", suites=["typo"])
    other = tmp_path / "page.html"
    other.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a report"):
        slm.report("a", other, suites=["stories"], log=quiet.append, device="cpu")


def test_results_on_other_items_have_no_verdict(quiet: list[str]) -> None:
    from slm.checkpoint import load_checkpoint

    def keep(run: str, items: str) -> None:
        score = Score("grammar", 90.0 if run == "a" else 60.0, 0.0, 0.0, 100)
        score = replace(score, low=score.value - 1, high=score.value + 1)
        result = SuiteResult("blimp", score, (), 0, {ITEMS_SHA256: items})
        keep_suite(Path(run), load_checkpoint(Path(run) / "best").weights_sha256, result)

    keep("a", "one")
    try:
        for items, verdict in (("one", "worse"), ("two", "unknown")):
            keep("b", items)
            (row,) = compare("a", "b", said=quiet).suites
            assert row.verdicts == (verdict,)
        (note,) = quiet
        assert "blimp for a and b are of different items" in note
    finally:
        for run in ("a", "b"):
            (Path(run) / "suites.json").unlink()


def test_few_stories_say_nothing_about_noise(quiet: list[str]) -> None:
    (difference,) = compare("a", "b", stories=19).differences
    assert difference.verdict == "unknown"


def test_a_long_document_is_many_parts(quiet: list[str]) -> None:
    text = tell_stories(800, seed=1).replace("<|endoftext|>", "")
    Path("book.txt").write_text(text, encoding="utf-8", newline="\n")
    found = compare("a", "b", source="book.txt", said=quiet)
    assert found.bytes == len(text.encode())
    assert found.stories >= 20
    assert found.differences[0].verdict == "worse"


def test_what_cannot_be_compared_is_refused(quiet: list[str]) -> None:
    with pytest.raises(UsageError, match="at least two"):
        compare("a")
    with pytest.raises(UsageError, match="is given twice"):
        compare("a", "b", "a/best")
    with pytest.raises(ConfigError, match="stories must be"):
        compare("a", "b", stories=0)
    with pytest.raises(UsageError, match="both given"):
        compare("a", "b", source="stories.txt", data=data_of("a"))


def test_other_validation_text_is_refused(quiet: list[str]) -> None:
    words = ["train", "--preset", "tiny", "--steps", "1", "--json", "--set", *QUICK]
    source = ["--source", "stories.txt", "--tokenizer", "bytes", "--set", "validation_fraction=0.3"]
    if not Path("d").exists():
        assert main([*words, *source, "--out", "d"]) == 0
    with pytest.raises(UsageError, match="a and d were validated on different text: 41 stories"):
        compare("a", "d")
    assert compare("a", "d", source="stories.txt", stories=20).stories == 20


def test_data_that_are_gone(quiet: list[str], tmp_path: Path) -> None:
    """The models say where their data were; nothing is there."""
    for run in ("a", "b"):
        shutil.copytree(run, tmp_path / run)
        for file in (*(tmp_path / run).rglob("config.json"),):
            file.unlink()
    with pytest.raises(slm.SlmError):
        compare(str(tmp_path / "a"), str(tmp_path / "b"))


def test_the_table(quiet: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a", "b", "c", "--device", "cpu", "--stories", "41"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["a", "b", "c"]
    assert any(line.startswith("  95% interval") for line in lines)
    assert any(line.startswith("b is worse than a: +") for line in lines)
    assert "another seed of the training changes a result, too" in captured.err
    assert main(["compare", "a", "b", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["differences"][0]["verdict"] == "worse"
    assert main(["compare", "a", "nowhere"]) == 2
