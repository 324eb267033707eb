"""Models of the hub, in and out, through a loopback server; and no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import slm
from slm.checkpoint import save_checkpoint
from slm.interop.export import export
from tests.e2e import hub_server
from tests.interop_models import model_of, source_of, tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hub_server.Hub]:
    words = tokenizer("bytes")
    folder = tmp_path_factory.mktemp("hub") / "m"
    export(source_of(model_of("llama-tied", words.vocab_size), words), "hf", folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = {**files, "config.json": b'{"architectures": ["BertModel"]}'}
    pickled = {"config.json": files["config.json"], "weights.pkl": b"x"}
    gguf = {"stories.gguf": b"GGUF", "README.md": b"# Stories\n"}
    models = {"mia/stories": files, "mia/bert": other, "mia/pickled": pickled, "mia/gguf": gguf}
    tied = model_of("llama-tied", words.vocab_size, n_layer=1)
    export(source_of(tied, words), "hf", folder.with_name("small"))
    small = {path.name: path.read_bytes() for path in folder.with_name("small").iterdir()}
    models["mia/stories@small"] = small
    with hub_server.serve_hub({}, models) as hub:
        yield hub


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    words = tokenizer("bytes")
    model = model_of("qwen3", words.vocab_size)
    source = source_of(model, words)
    save_checkpoint(
        tmp_path / "ckpt",
        model_state=model.state_dict(),
        config=source.settings,
        tokenizer=words,
        state=source.state,
    )
    return tmp_path / "ckpt"


class Runs:
    """Runs Python with the hub's endpoint and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, endpoint: str, *words: str, token: str | None = None, debug: bool = False
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("HF_", "HUGGING")) and not key.lower().endswith("_proxy")
        }
        environment |= {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(self.folder / "cache"),
            "HF_HUB_DISABLE_XET": "1",  # its servers are others than the hub's
            "XDG_CACHE_HOME": str(self.folder / "ours"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SLM_DEBUG": "1" if debug else "",
        }
        if token is not None:
            environment["HF_TOKEN"] = token
        return subprocess.run(
            [sys.executable, *(words if words[0] == "-c" else ("-m", "slm", *words))],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture
def run(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


LOAD = "import slm; print(slm.load('hf:mia/stories').generate('Once', temperature=0)[0])"


def test_a_model_is_fetched_once_and_then_kept(hub: hub_server.Hub, run: Runs) -> None:
    imported = run(hub.endpoint, "import", "hf:mia/stories", "ours-now")
    assert imported.returncode == 0, imported.stderr
    expected = slm.load(run.folder / "ours-now").generate("Once", temperature=0)[0]
    hub.requests.clear()

    loaded = run(hub.endpoint, "-c", LOAD)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout == expected + "\n"
    named = ["generate", "--checkpoint", "hf:mia/stories@main", "Once", "--temperature", "0"]
    generated = run(hub.endpoint, *named)
    assert generated.returncode == 0, generated.stderr
    assert "downloading" not in loaded.stderr + generated.stderr
    assert generated.stdout == expected + "\n"
    assert not any(hub.downloads(path) for path in hub.models["mia/stories"])

    closed = run(hub_server.closed_endpoint(), *named)
    assert closed.returncode == 0, closed.stderr
    assert closed.stdout == expected + "\n"
    assert "using the cached copy of mia/stories" in closed.stderr


def test_only_what_can_be_used_is_fetched(hub: hub_server.Hub, run: Runs) -> None:
    for name, message in {
        "mia/bert": "BertModel",
        "mia/pickled": "no weights that can be read",
        "mia/gguf": "has no config.json, so it is not a supported model",
        "mia/absent": "the hub has no model mia/absent that you can access",
        "mia/stories@later": "the model mia/stories has no revision later",
        "mia": "is not the name of a model on the hub",
    }.items():
        hub.requests.clear()
        refused = run(hub.endpoint, "import", f"hf:{name}", "new")
        assert refused.returncode in (1, 2)
        assert message in refused.stderr
        assert len(refused.stderr.splitlines()) == 2
        assert not hub.downloads("model.safetensors")
        assert not hub.downloads("weights.pkl")
        assert not (run.folder / "new").exists()


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub: hub_server.Hub, run: Runs) -> None:
    commit = hub.commit("mia/stories@small")
    assert commit != hub.commit("mia/stories")
    for place, revision, n_layer in (("a", "small", 1), ("b", commit, 1), ("c", "main", 2)):
        imported = run(hub.endpoint, "import", f"hf:mia/stories@{revision}", place)
        assert imported.returncode == 0, imported.stderr
        assert slm.load(run.folder / place).config.n_layer == n_layer
    described = run(hub.endpoint, "info", "hf:mia/stories@small", "--json")
    assert json.loads(described.stdout)["settings"]["model.n_layer"]["value"] == 1
    plain = run(hub.endpoint, "info", "hf:mia/stories", "--json")
    assert json.loads(plain.stdout)["settings"]["model.n_layer"]["value"] == 2


def expect_one_error(failed: subprocess.CompletedProcess[str], message: str) -> None:
    lines = failed.stderr.splitlines()
    assert failed.returncode == 1
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert message in lines[0]


def test_without_a_network_there_is_one_error(run: Runs, checkpoint: Path) -> None:
    closed = hub_server.closed_endpoint()
    expect_one_error(run(closed, "import", "hf:mia/stories", "new"), "cannot download the model")
    pushed = run(closed, "push", str(checkpoint), "mia/new", token=hub_server.TOKEN)
    expect_one_error(pushed, "cannot push to mia/new")
    with hub_server.silent_server() as (endpoint, visitors):
        failed = run(endpoint, "info", "hf:mia/stories")
        expect_one_error(failed, "did not answer")
        assert len(visitors) == 1


def test_what_is_pushed_can_be_loaded(hub: hub_server.Hub, run: Runs, checkpoint: Path) -> None:
    words = ["push", str(checkpoint), "mia/new", "--private", "--license", "mit", "--json"]
    pushed = run(hub.endpoint, *words, token=hub_server.TOKEN, debug=True)
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout)["url"] == f"{hub.endpoint}/mia/new"
    assert hub_server.TOKEN not in pushed.stdout + pushed.stderr
    assert "mia/new" in hub.private
    assert len(hub.commits) == 1  # never a half of a model
    assert b"license: mit" in hub.models["mia/new"]["README.md"]
    assert b'from_pretrained("mia/new")' in hub.models["mia/new"]["README.md"]

    loaded = run(hub.endpoint, "generate", "--checkpoint", "hf:mia/new", "Once", *("--seed", "1"))
    ours = run(hub.endpoint, "generate", "--checkpoint", str(checkpoint), "Once", "--seed", "1")
    assert (loaded.stdout, loaded.returncode) == (ours.stdout, 0)

    # From Python, and onto what is there.
    program = f"import slm; print(slm.load({str(checkpoint)!r}).push('hf:mia/new', license='mit'))"
    again = run(hub.endpoint, "-c", program, token=hub_server.TOKEN)
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"{hub.endpoint}/mia/new\n"
    assert b'from_pretrained("mia/new")' in hub.models["mia/new"]["README.md"]
    assert len(hub.commits) == 2


def test_who_may_not_write_is_told_how_and_no_token_is_shown(
    hub: hub_server.Hub, run: Runs, checkpoint: Path
) -> None:
    nobody = run(hub.endpoint, "push", str(checkpoint), "mia/mine")
    expect_one_error(nobody, "you are not logged in")
    assert "hf auth login" in nobody.stderr
    secret = "hf_aTokenOfSomebodyElse"
    stranger = run(hub.endpoint, "push", str(checkpoint), "mia/mine", token=secret)
    assert "the hub refuses you access to mia/mine" in stranger.stderr
    debugged = run(hub.endpoint, "push", str(checkpoint), "mia/mine", token=secret, debug=True)
    assert debugged.returncode == 1
    for shown in (stranger, debugged):
        assert secret not in shown.stdout + shown.stderr
    assert "mia/mine" not in hub.models
