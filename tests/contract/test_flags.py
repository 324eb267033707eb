"""No word of a command line is passed over in silence.

Each pair of a command's flags is tried: the one that is added must change what is done, or must be
refused or named in a note. What is done is what the command hands on, so that nothing is trained.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from slm.api.run_request import RunRequest
from slm.cli import main, original
from slm.cli.app import app
from slm.cli.usage import option_names
from slm.config import RunConfig
from slm.config.origins import OriginKind
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from tests.conftest import tell_stories

QUICK = ["--preset", "tiny", "--steps", "2", "--set", "threads=1", "eval_tokens=128"]
RUNS = {
    "of-data": ["--data", "data"],
    "of-source": ["--source", "book.txt", "--tokenizer", "bytes"],
    "of-place": ["--source", "book.txt", "--tokenizer", "bytes", "--set", "data_dir=place"],
    "of-weights": ["--init-from", "of-source", "--source", "book.txt"],
    "of-teacher": ["--teacher", "of-source", "--source", "book.txt"],
}
"""Runs that were started with prepared data, with text, with text and a directory for its ids, with
the weights of another run, and with another run as a teacher."""

FLAGS = {
    "--preset": ["--preset", "demo"],
    "--config": ["--config", "mine.toml"],
    "--data": ["--data", "data"],
    "--source": ["--source", "other.txt"],
    "--tokenizer": ["--tokenizer", "chars"],
    "--init-from": ["--init-from", "of-source"],
    "--teacher": ["--teacher", "of-source"],
    "--out": ["--out", "elsewhere"],
    "--steps": ["--steps", "7"],
    "--minutes": ["--minutes", "0.5"],
    "--resume": ["--resume"],
    "--fresh": ["--fresh"],
    "--plan": ["--plan"],
    "--stop-after": ["--stop-after", "3"],
    "--limit": ["--limit", "9"],
    "--seed": ["--seed", "5"],
    "--device": ["--device", "cpu"],
    "--set": ["--set", "n_layer=1"],
    "--json": ["--json"],
}
"""Flags of `slm train`, and what is tried of each."""
OTHERS = {
    "prepare": "--source --tokenizer --out --limit --validation-fraction --seed --force-reload "
    "--json",
    "generate": "-n --samples --max-new-tokens --temperature --top-k --top-p --min-p "
    "--repetition-penalty --stop --seed --device --dtype --file --checkpoint --json",
    "inspect": "--checkpoint --what --top --layer --temperature --top-k --top-p --min-p --device "
    "--json",
    "eval": "--checkpoint --data --source --split --suite --limit --seed --endpoint --end-of-text "
    "--judge --model --yes --device --dtype --over-time --json",
    "report": "--out --suites --seed --device --json",
    "compare": "--source --data --stories --suites --seed --device --json",
    "presets": "--settings --json",
    "info": "--json",
    "export": "--dtype --version --license --card --force --json",
    "import": "--tokenizer --json",
    "push": "--private --license --json",
}
"""Options whose pairs were thought through, and are tried below where one leaves another idle."""
MORE = {
    "--set max_steps": ["--set", "max_steps=8"],
    "--set max_minutes": ["--set", "max_minutes=0.4"],
    "--set source": ["--set", "source=texts"],
    "--set tokenizer": ["--set", "tokenizer=bpe:300"],
    "--set data_dir": ["--set", "data_dir=place"],
    "--set limit": ["--set", "limit=8"],
    "--set corpus_seed": ["--set", "corpus_seed=3"],
    "--set validation_fraction": ["--set", "validation_fraction=0.2"],
    "--set out_dir": ["--set", "out_dir=another"],
    "--set seed": ["--set", "seed=6"],
    "--set muon_ns_steps": ["--set", "muon_ns_steps=3"],
    "--set optimizer": ["--set", "optimizer=adamw"],
    "--set decay_fraction": ["--set", "decay_fraction=0.3"],
    "--set schedule": ["--set", "schedule=cosine"],
    "--set rope_theta": ["--set", "rope_theta=500"],
    "--set position": ["--set", "position=learned"],
    "--set sample_tokens": ["--set", "sample_tokens=7"],
    "--set sample_prompts": ["--set", "sample_prompts=['Hm']"],
    "--set teacher_weight": ["--set", "teacher_weight=0.3"],
    "--set seq_len_warmup_fraction": ["--set", "seq_len_warmup_fraction=0.3"],
}
"""Settings that another word may leave without effect."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with texts, data and runs, which is the working directory."""
    folder = tmp_path_factory.mktemp("flags")
    for name, seed in (("book.txt", 0), ("other.txt", 1), ("texts/train.txt", 2)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(tell_stories(60, seed=seed), encoding="utf-8", newline="\n")
    (folder / "texts" / "validation.txt").write_text(tell_stories(9, seed=3), encoding="utf-8")
    (folder / "mine.toml").write_text("grad_clip = 0.5\n", encoding="utf-8")
    (folder / "texts.toml").write_text('source = "other.txt"\n', encoding="utf-8")
    with contextlib.chdir(folder):
        prepare("book.txt", "bytes", "data")
        for name, words in RUNS.items():
            quick = [*QUICK, *words] if "--set" not in words else [*words, *QUICK]
            assert main(["train", *quick, "--set", "sample_prompts=[]", "--out", name]) == 0
        yield folder


class Outcome:
    """What came of a command line."""

    def __init__(self, code: int, said: str, done: Any) -> None:
        self.code, self.said, self.done = code, said, done

    def names(self, *flags: str) -> bool:
        return any(word in self.said for flag in flags for word in flag.split()[-1:])


Try = Callable[..., Outcome]


@pytest.fixture
def attempt(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Try:
    """Gives a command line; what it hands on is recorded, and nothing is trained or prepared."""
    done: list[Any] = []

    def record(name: str) -> Callable[..., Any]:
        def called(*values: Any, **named: Any) -> Any:
            named.pop("began_at", None)
            shown = [effective(v) if isinstance(v, RunConfig) else str(v) for v in values]
            done.append((name, shown, {key: str(value) for key, value in named.items()}))

        return called

    def train_run(request: RunRequest, **named: Any) -> Any:
        record("train")(request.settings, minutes=request.minutes_to_plan, **named)
        return SimpleNamespace(result=SimpleNamespace(out_dir="."), settings=request.settings)

    def print_result(outcome: Any, *, as_json: bool) -> None:
        record("result")(as_json)

    monkeypatch.setattr("slm.cli.train.train_run", train_run)
    monkeypatch.setattr("slm.cli.train.say_if_finished_before", lambda *values: None)
    monkeypatch.setattr("slm.cli.train._print_result", print_result)
    monkeypatch.setattr("slm.cli.train._print_plan", record("plan"))

    def run(*words: str) -> Outcome:
        done.clear()
        capsys.readouterr()
        code = main(list(words))
        return Outcome(code, capsys.readouterr().err, list(done))

    return run


def effective(settings: RunConfig) -> str:
    """The settings as far as they have an effect: prepared data are what they are."""
    values = settings.to_json()
    if settings.origin_of("data.data_dir").kind is OriginKind.PREPARED:
        values["data"] = {key: values["data"][key] for key in ("data_dir", "tokenizer")}
    for name, is_idle in (
        ("max_steps", settings.train.max_minutes is not None),
        ("muon_ns_steps", settings.train.optimizer != "muon"),
        ("decay_fraction", settings.train.schedule != "wsd"),
        ("teacher_weight", not settings.train.teachers),
        ("sample_tokens", not settings.train.sample_prompts),
        ("seq_len_warmup_fraction", settings.train.seq_len_warmup is None),
    ):
        if is_idle:
            del values["train"][name]
    if settings.model.position != "rope":
        del values["model"]["rope_theta"]
    del values["origins"]
    return json.dumps(values, sort_keys=True)


def assert_said_or_done(added: str, beside: str, alone: Outcome, together: Outcome) -> None:
    """A flag that was added to another changes something, or that it does not is said."""
    if together.code:
        assert together.code in (1, 2), together.said
        assert "hint: " in together.said
        assert together.names(added, beside) or alone.code, (added, beside, together.said)
    elif together.done == alone.done:
        assert together.names(added), (added, beside, together.said)


@pytest.mark.parametrize("command", ["train", *OTHERS])
def test_every_flag_has_its_place_here(command: str) -> None:
    known = typer.main.get_command(app)
    names = option_names(known.commands[command])  # type: ignore[attr-defined]
    expected = [*FLAGS] if command == "train" else OTHERS[command].split()
    assert set(expected) == set(names) - {"--help", "-h"}


@pytest.mark.parametrize("beside", [*FLAGS, *MORE])
def test_pairs_of_flags_of_a_new_run(attempt: Try, beside: str) -> None:
    every = FLAGS | MORE
    alone = attempt("train", *every[beside])
    for added in every:
        if added != beside:
            together = attempt("train", *every[beside], *every[added])
            assert_said_or_done(added, beside, alone, together)


@pytest.mark.parametrize("name", RUNS)
def test_flags_of_a_run_that_goes_on(attempt: Try, name: str) -> None:
    going_on = ["train", "--resume", "--out", name]
    alone = attempt(*going_on)
    assert alone.code == 0
    every = FLAGS | MORE
    # These give what the run has.
    same = {"--set optimizer", "--data" if name == "of-data" else "--set data_dir"}
    same |= {"--init-from"} if name == "of-weights" else set()
    same |= {"--teacher"} if name == "of-teacher" else set()
    for added in every:
        if added not in {"--resume", "--out", "--set out_dir", *same}:
            together = attempt(*going_on, *every[added])
            assert_said_or_done(added, "--resume", alone, together)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(
    "words",
    [
        ["--source", "does_not_exist.txt"],
        ["--source", "other.txt"],
        ["--set", "source=other.txt"],
        ["--set", "data.source=builtin"],
        ["--limit", "5"],
        ["--set", "limit=5"],
        ["--set", "corpus_seed=9"],
        ["--set", "validation_fraction=0.3"],
        ["--tokenizer", "chars"],
        ["--set", "tokenizer=bpe:300"],
    ],
)
def test_a_run_that_goes_on_takes_no_other_data(attempt: Try, name: str, words: list[str]) -> None:
    outcome = attempt("train", "--resume", "--out", name, *words)
    assert outcome.code == 2
    assert outcome.done == []
    assert words[-1].rpartition("=")[2] in outcome.said or words[0] in outcome.said


@pytest.mark.parametrize("name", RUNS)
def test_the_words_of_the_start_may_be_given_again(attempt: Try, name: str) -> None:
    alone = attempt("train", "--resume", "--out", name)
    again = attempt("train", "--resume", "--out", name, "--preset", "tiny", *RUNS[name])
    assert again.code == 0, again.said
    assert again.done == alone.done
    assert "effect" not in again.said
    with_file = attempt("train", "--resume", "--out", name, "--config", "texts.toml")
    assert "data.source of the settings file has no effect" in with_file.said
    assert with_file.done == alone.done


def test_settings_of_a_run_with_prepared_data_take_no_other_text(attempt: Try) -> None:
    config = ["--config", "of-data/config.json"]
    outcome = attempt("train", *config, "--source", "other.txt")
    assert outcome.code == 2
    assert "--source has no effect" in outcome.said
    assert attempt("train", *config).code == 0


def test_an_option_that_is_given_twice(attempt: Try) -> None:
    outcome = attempt("train", "--steps", "3", "--json", "--steps", "4", "--json")
    assert outcome.code == 0
    assert outcome.said.splitlines() == [
        "note: the earlier --steps has no effect: the last one is used"
    ]
    assert '"max_steps": 4' in str(outcome.done)
    assert attempt("train", "--set", "n_layer=1", "--set", "seed=2").said == ""


# -- other commands --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "idle"),
    [("book.txt", ()), ("builtin", ()), ("texts", ("--validation-fraction", "--seed"))],
)
def test_flags_of_a_preparation(
    place: Path, tmp_path: Path, slm: Any, source: str, idle: tuple[str, ...]
) -> None:
    """The token files tell what was done."""

    def made(*words: str) -> tuple[str, str]:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        basic = ["--source", source, "--tokenizer", "bytes", "--limit", "40", "--out", out]
        code, _, err = slm("prepare", *basic, *words)
        assert code == 0, err
        return DataDirectory.open(out).fingerprint, err

    alone, said = made()
    assert "effect" not in said
    for flag, value in (("--limit", "9"), ("--validation-fraction", "0.2"), ("--seed", "5")):
        fingerprint, said = made(flag, value)
        assert (fingerprint == alone) == (flag in idle)
        assert (f"note: {flag} has no effect: {source} has" in said) == (flag in idle)
    for setting in ("validation_fraction=0.2", "corpus_seed=5"):
        words = ["train", *QUICK, setting, "sample_prompts=[]", "--source", source, "--limit", "40"]
        code, _, err = slm(*words, "--out", tmp_path / setting)
        assert code == 0, err
        is_idle = f"no effect of {setting.partition('=')[0]}" in err
        assert is_idle == bool(idle)


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["--what", "tokens", "--layer", "0"], "--layer"),
        (["--what", "attention", "--top", "3"], "--top"),
        (["--what", "lens", "--top-k", "3"], "--top-k"),
        (["--temperature", "1"], "--temperature"),
        (["--what", "attention", "--min-p", "0.1"], "--min-p"),
        (["--what", "next", "--layer", "1"], "--layer"),
    ],
)
def test_flags_of_another_view(slm: Any, run_dir: Path, words: list[str], idle: str) -> None:
    code, out, err = slm("inspect", "--checkpoint", run_dir, "Hello", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {idle} has no effect: ")
    assert err.endswith(f"hint: leave out {idle}\n")


@pytest.mark.parametrize("command", ["generate", "inspect"])
def test_chance_at_temperature_0(slm: Any, run_dir: Path, command: str) -> None:
    words = [command, "--checkpoint", run_dir, "Hello", "--temperature", "0", "--top-k", "3"]
    words += ["--max-new-tokens", "2"] if command == "generate" else ["--what", "next"]
    code, _, err = slm(*words)
    assert code == 0, err
    assert "note: --top-k has no effect: temperature 0 is greedy" in err
    code, _, err = slm(*words[:-4], *words[-2:])
    assert code == 0
    assert "effect" not in err


def test_settings_that_are_not_measured(slm: Any) -> None:
    quick = ["bench", "train", "--preset", "tiny", "--steps", "1", "--quick", "--set", "threads=1"]
    code, _, err = slm(*quick, "eval_interval=3", "source=book.txt")
    assert code == 0, err
    assert "--set eval_interval=3 and --set source=book.txt have no effect" in err
    _, _, err = slm(*quick, "batch_size=2", "n_layer=1", "dropout=0.1", "optimizer=adamw")
    assert "effect" not in err


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["--steps", "3"], "--steps"),
        (["--minutes", "3"], "--minutes"),
        (["--resume"], "--resume"),
        (["--source", "other.txt"], "--source"),
        (["--tokenizer", "chars"], "--tokenizer"),
        (["--set", "limit=9"], "--set limit=9"),
        (["--set", "n_layer=5"], "--set n_layer=5"),
    ],
)
def test_telling_stories_without_training(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], idle: str
) -> None:
    start = ["--source", "book.txt", "--tokenizer", "bytes", *QUICK, "sample_prompts=[]"]
    folders = ["--data-dir", "original/data", "--output-dir", "original/models"]
    if not Path("original").exists():
        assert original.main([*folders, *start]) == 0
    capsys.readouterr()
    assert original.main([*folders, "--no-train", *words]) == 0
    assert f"note: {idle} has no effect" in capsys.readouterr().err
    assert original.main([*folders, "--no-train"]) == 0
    assert "effect" not in capsys.readouterr().err


def test_the_script_goes_on_with_its_own_data_and_preset(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["--source", "book.txt", "--tokenizer", "bytes", *QUICK, "sample_prompts=[]"]
    folders = ["--data-dir", "again/data", "--output-dir", "again/models"]
    assert original.main([*folders, *start]) == 0
    going_on = ["--resume", "--output-dir", "again/models"]
    for words, problem in (
        (["--source", "other.txt"], "--source would be other data"),
        (["--tokenizer", "chars"], "--tokenizer would be other data"),
        (["--set", "limit=3"], "--set limit=3 would be other data"),
        (["--preset", "demo"], "not started with the preset demo"),
    ):
        capsys.readouterr()
        assert original.main([*going_on, *words]) == 2
        assert problem in capsys.readouterr().err
    # The data are those of the run, though --data-dir is not given again.
    assert original.main([*going_on, "--steps", "3"]) == 0
    assert not Path("data/train.bin").is_symlink()
    state = json.loads(Path("again/models/config.json").read_text("utf-8"))
    assert state["data"]["data_dir"] == "again/data"
    capsys.readouterr()
    assert original.main(going_on) == 0
    said = capsys.readouterr().err
    assert "was finished before, at step 3: it had its 3 steps" in said
    assert "python train.py --output-dir again/models --resume --steps 6" in said
