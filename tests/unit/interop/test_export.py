from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from slm.checkpoint import save_checkpoint
from slm.cli import main
from slm.errors import ConfigError, NoSpaceError, UsageError
from slm.interop.export import TARGETS, export
from slm.interop.source import ExportSource
from tests.interop_models import model_of, source_of, tokenizer


def source(shape: str = "llama-tied", spec: str = "bytes") -> ExportSource:
    return source_of(model_of(shape, tokenizer(spec).vocab_size), tokenizer(spec))


@pytest.mark.parametrize("target", sorted(TARGETS.keys() - {"onnx", "nanogpt"}))
def test_all_files_are_known_and_an_export_is_replaced_only_on_request(
    target: str, tmp_path: Path
) -> None:
    out = tmp_path / ("m.gguf" if target == "gguf" else "m")
    written = export(source(), target, out)
    if out.is_dir():
        assert {path.name for path in out.iterdir()} == set(TARGETS[target].files)
    assert written.bytes > 1000
    with pytest.raises(UsageError, match="exists already") as caught:
        export(source(), target, out)
    assert "--force" in str(caught.value.hint)
    if out.is_dir():  # what `slm eval` and `slm report` add to the folder of a model
        for name in ("suites.json", "report.html"):
            (out / name).write_text("{}")
    export(source(), target, out, force=True)


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    for target in ("hf", "gguf", "ollama"):
        with pytest.raises(UsageError, match="not an export"):
            export(source(), target, tmp_path, force=True)
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("place", ["best", "checkpoints/step-000010", "ladder/step-000010"])
def test_a_checkpoint_of_a_run_is_never_replaced(place: str, tmp_path: Path) -> None:
    """It has the files of an export for slm."""
    (tmp_path / "config.json").write_text("{}")
    export(source(), "slm", tmp_path / place)
    with pytest.raises(UsageError, match="not an export"):
        export(source(), "slm", tmp_path / place, force=True)


def test_a_folder_may_be_called_as_one_of_a_run(tmp_path: Path) -> None:
    export(source(), "slm", tmp_path / "checkpoints" / "demo")
    export(source(), "slm", tmp_path / "checkpoints" / "demo", force=True)


def test_a_model_does_not_replace_itself(tmp_path: Path) -> None:
    export(source(), "slm", tmp_path / "m")
    with pytest.raises(UsageError, match="not an export"):
        export(replace(source(), path=tmp_path / "m"), "slm", tmp_path / "m", force=True)


def test_a_folder_with_a_readme_alone_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="not an export"):
        export(source(), "hf", tmp_path, force=True)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    export(source(), "llama2c", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "model.bin").is_file()
    (tmp_path / "nowhere").symlink_to("absent")
    with pytest.raises(UsageError, match="not an export"):
        export(source(), "llama2c", tmp_path / "nowhere", force=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
@pytest.mark.parametrize(
    "target",
    [*sorted(TARGETS.keys() - {"onnx"}), pytest.param("onnx", marks=pytest.mark.slow)],
)
def test_a_full_disk_is_reported_and_leaves_nothing(target: str, tmp_path: Path) -> None:
    import resource

    model = source("gpt2", "chars") if target == "nanogpt" else source()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(NoSpaceError):
            export(model, target, tmp_path / ("m.gguf" if target == "gguf" else "m"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not any(tmp_path.iterdir())


def test_the_commands_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = source()
    save_checkpoint(
        tmp_path / "ckpt",
        model_state=model_of("llama-tied", 257).state_dict(),
        config=ours.settings,
        tokenizer=ours.tokenizer,
        state=ours.state,
    )
    assert main(["export", str(tmp_path / "ckpt"), "hf", str(tmp_path / "m")]) == 0
    assert "## A sample" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert main(["import", str(tmp_path / "m"), str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "MANIFEST.json").is_file()
    assert "slm generate --checkpoint" in capsys.readouterr().err


def test_bad_targets_and_dtypes_name_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'guff'") as unknown:
        export(source(), "guff", tmp_path / "m")
    assert "gguf" in str(unknown.value.hint)
    with pytest.raises(ConfigError, match="q8_0") as dtype:
        export(source(), "hf", tmp_path / "m", dtype="q8_0")
    assert "bfloat16" in str(dtype.value.hint)
    with pytest.raises(ConfigError, match="version 2"):
        export(source(), "llama2c", tmp_path / "m", version=2)
    with pytest.raises(ConfigError, match="no version 1"):
        export(source(), "hf", tmp_path / "m", version=1)
    assert not any(tmp_path.iterdir())


def test_mixed_shapes_are_refused_by_name(tmp_path: Path) -> None:
    mixed = source_of(
        model_of("llama", 257, position="learned", tie_embeddings=True), tokenizer("bytes")
    )
    for target in TARGETS.keys() - {"slm"}:
        with pytest.raises(ConfigError, match=r"position=learned|norm=rmsnorm"):
            export(mixed, target, tmp_path / "m")
    assert not any(tmp_path.iterdir())


def test_heads_that_do_not_divide_the_width_are_refused(tmp_path: Path) -> None:
    odd = {"n_embd": 50, "n_head": 4, "head_dim": 12}
    for shape, targets in (("gpt2", ("hf", "gguf")), ("llama-tied", ("llama2c",))):
        given = source_of(model_of(shape, 257, **odd), tokenizer("bytes"))
        for target in targets:
            with pytest.raises(ConfigError, match="n_embd=50 and n_head=4"):
                export(given, target, tmp_path / "m")
    assert not any(tmp_path.iterdir())


def test_narrow_matrices_are_not_quantized(tmp_path: Path) -> None:
    narrow = source_of(model_of("llama-tied", 257, n_embd=24), tokenizer("bytes"))
    with pytest.raises(ConfigError, match="n_embd is 24") as caught:
        export(narrow, "gguf", tmp_path / "m.gguf", dtype="q8_0")
    assert "float16" in str(caught.value.hint)


def test_the_card_says_what_the_model_is(tmp_path: Path) -> None:
    out = tmp_path / "m"
    export(source(), "hf", out, license="mit", sample="Once there was a hat.\nThe end.")
    card = (out / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: transformers\n")
    for line in ("license: mit", "# mia", "| training tokens | 700 in 7 steps |", "> The end."):
        assert line in card
    assert json.loads((out / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.parametrize(
    ("text", "shown", "is_data_set"),
    [
        ("mia/stories", "mia/stories", True),
        ("builtin:easy", "builtin:easy", False),
        ("texts/book.txt", "book.txt", False),
        ("texts/book", "book", False),
        ("/home/mia/texts/book.txt", "book.txt", False),
        ("~/book.txt", "book.txt", False),
        ("../texts/book", "book", False),
        ("C:\\Users\\mia\\book.txt", "book.txt", False),
        ("C:/Users/mia", "mia", False),
    ],
)
def test_the_card_names_a_data_set_and_no_folder_of_this_machine(
    text: str, shown: str, is_data_set: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "texts" / "book").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    plain = source()
    settings = plain.settings.with_values({"data.source": text}, plain.settings.origins)
    export(replace(plain, settings=settings), "hf", tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert f"| training text | {shown} |" in card
    assert (f"datasets:\n- {shown}\n" in card) == ("datasets:" in card) == is_data_set
    assert "texts" not in card
    assert "/home/mia" not in card
    assert "trained from scratch with slm" in card


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("builtin", "trained further from builtin with slm"),
        ("hf:mia/stories", "trained further from hf:mia/stories with slm"),
        ("/home/mia/runs/evening", "trained further from another model with slm"),
    ],
)
def test_the_card_says_that_a_model_was_fine_tuned(parent: str, words: str, tmp_path: Path) -> None:
    plain = source()
    settings = replace(plain.settings, train=plain.settings.train.changed(init_from=parent))
    export(replace(plain, settings=settings), "hf", tmp_path / "m")
    assert words in (tmp_path / "m" / "README.md").read_text("utf-8")


def test_the_code_of_the_card_names_the_folder(tmp_path: Path) -> None:
    for name in (None, "mia/hats"):
        out = tmp_path / ("my-folder" if name is None else "other")
        export(source(), "hf", out, name=name)
        card = (out / "README.md").read_text("utf-8")
        assert card.count(f'from_pretrained("{name or "my-folder"}")') == 2
        assert f"# {name or 'mia'}\n" in card


@pytest.mark.parametrize("place", ["", "best", "checkpoints/step-000010", "ladder/step-000010"])
def test_a_model_has_the_name_of_its_run(place: str) -> None:
    assert replace(source(), path=Path("runs/mia", place)).name == "mia"


@pytest.mark.parametrize("name", ["step-by-step", "step-000010", "checkpoints", "My Model"])
def test_a_model_has_the_name_of_its_folder(name: str, tmp_path: Path) -> None:
    named = replace(source(), path=Path("models", name))
    assert named.name == name
    export(named, "ollama", tmp_path / "m")
    command = (tmp_path / "m" / "Modelfile").read_text("utf-8").splitlines()[0]
    assert command == f"# ollama create {name.replace(' ', '-')} -f Modelfile"


def test_a_modelfile_names_the_file_next_to_it(tmp_path: Path) -> None:
    export(source(), "ollama", tmp_path / "m")
    lines = (tmp_path / "m" / "Modelfile").read_text("utf-8").splitlines()
    assert "FROM ./model.gguf" in lines
    assert all(line.startswith(("#", "FROM ", "TEMPLATE ", "PARAMETER ")) for line in lines if line)
