"""No project code runs what it reads: no pickle, no `eval`, PyTorch's files as plain values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import slm
import storyworld

ROOT = Path(slm.__file__).parents[1]
FILES = sorted(
    file for package in (slm, storyworld) for file in Path(package.__file__).parent.rglob("*.py")
)
UNPICKLING_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal"}
UNPICKLING_MODULES |= {"shelve", "jsonpickle", "yaml"}
RUNNING = {"eval", "exec", "compile", "__import__", "execfile"}
UNPICKLING_CALLS = {
    *("broadcast_object_list", "all_gather_object", "gather_object", "scatter_object_list"),
    *("send_object_list", "recv_object_list", "read_pickle", "to_pickle", "fromfile_pickle"),
}


def findings(source: str) -> list[str]:
    """What in a source could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        problems = [f"import of {module}" for module in _unpicklers(node)]
        if isinstance(node, ast.Call):
            problems += _of_call(node)
        found += [f"line {getattr(node, 'lineno', 0)}: {problem}" for problem in problems]
    return found


def _unpicklers(node: ast.AST) -> list[str]:
    return [name for name in _modules(node) if name.partition(".")[0] in UNPICKLING_MODULES]


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (name.name for name in node.names)


def _of_call(call: ast.Call) -> Iterator[str]:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    match call.func:
        case ast.Name(id=name) if name in RUNNING:
            yield name
        case ast.Attribute(attr=name) if name in UNPICKLING_CALLS:
            yield name
        case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
            weights_only = given.get("weights_only")
            if not isinstance(weights_only, ast.Constant) or weights_only.value is not True:
                yield "torch.load without weights_only=True"
        case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="load"):
            allowed = given.get("allow_pickle", ast.Constant(False))
            if not isinstance(allowed, ast.Constant) or allowed.value is not False:
                yield "np.load with allow_pickle"
            if len(call.args) > 2:
                yield "np.load with positional arguments"
    if None in given and isinstance(call.func, ast.Attribute) and call.func.attr == "load":
        yield "load with hidden arguments"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    assert findings(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import torch, marshal as m",
        "from multiprocessing import dill",
        "eval('1')",
        "exec(code)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "torch.load(path, **options)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, None, True)",
        "pandas.read_pickle(path)",
        "dist.broadcast_object_list(values)",
    ],
)
def test_what_would_be_found(source: str) -> None:
    assert findings(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "torch.load(path, map_location='cpu', weights_only=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "model.eval()",
        "torch.compile(block)",
        "re.compile('a')",
        "json.load(stream)",
    ],
)
def test_what_is_fine(source: str) -> None:
    assert findings(source) == []


def test_all_sources_are_looked_at() -> None:
    assert len(FILES) > 100
