"""Runs the training program of a racer unchanged, and measures its model between two steps.

    python bench/observed.py --racer nanogpt --held-out FILE --minutes 5 -- train.py ARGUMENTS

Of a baseline, the class of models is wrapped when its module is imported, to find the model; and a
hook of PyTorch runs before each step of its first optimizer, when the step before is complete. Of
slm, a callback is added to the run. This needs PyTorch and the standard library only, because it
runs in the environments of other projects.
"""

from __future__ import annotations

import argparse
import functools
import importlib.abc
import importlib.util
import runpy
import sys
import weakref
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from race_meter import HeldOut, Meter, read_held_out


class AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function with a module as soon as the program has imported it."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.then = then

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The module's own specification, whose loader calls the function at the end."""
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            self.then(module)

        spec.loader.exec_module = execute_and_call  # type: ignore[method-assign]
        return spec


class Observer:
    """Finds the model that a program trains, and lets a meter measure it after each step.

    Args:
        meter: measures.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.model: Any = None
        self.tokenizer: Any = None
        """Of a run of slm."""
        self._models: list[weakref.ref[Any]] = []
        self._optimizer: Any = None

    def watch_class(self, model_class: type) -> None:
        """Take note of each instance of a class, and of each step of the first optimizer."""
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        _after(model_class, "__init__", lambda model: self._models.append(weakref.ref(model)))
        register_optimizer_step_pre_hook(self._before_step)

    def watch_runs(self, module: ModuleType) -> None:
        """Add a callback to each run of `slm.runs.run_trainer`."""
        from slm.training.events import Callback, StepRecord

        def add_callback(trainer: Any) -> None:
            class Measure(Callback):
                def on_step(_, record: StepRecord) -> None:  # noqa: N805
                    self.meter.after_step(trainer.model)

            self.model, self.tokenizer = trainer.model, trainer.data_loader.tokenizer
            trainer.callbacks.callbacks.append(Measure())

        _after(module.RunTrainer, "__init__", add_callback)

    def _before_step(self, optimizer: Any, args: Any, named: Any) -> None:
        if self._optimizer is None:
            self._optimizer, self.model = optimizer, self._model_of(optimizer)
        elif optimizer is self._optimizer:
            self.meter.after_step(self.model)

    def _model_of(self, optimizer: Any) -> Any:
        """The model with the optimizer's parameters; programs make others too, such as for sizes.

        Raises:
            SystemExit: there is none.
        """
        trained = id(optimizer.param_groups[0]["params"][0])
        for model in (reference() for reference in self._models):
            if model is not None and trained in map(id, model.parameters()):
                return model
        raise SystemExit("no model of the program has the optimizer's parameters")


def _after(owner: type, name: str, then: Callable[[Any], None]) -> None:
    """Call a function with the object after each call of one of its methods."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def call(self: Any, *args: Any, **named: Any) -> None:
        method(self, *args, **named)
        then(self)

    setattr(owner, name, call)


class Program(NamedTuple):
    """How to find the model of a program, and how to call it.

    Attributes:
        module: after its import, the model can be watched.
        watch: called with the observer and the module.
        logits_of: (model, inputs, targets) -> logits [B, T, vocabulary].
    """

    module: str
    watch: Callable[[Observer, Any], None]
    logits_of: Callable[[Any, Any, Any], Any]


PROGRAMS = {
    "slm": Program("slm.runs.run_trainer", Observer.watch_runs, lambda model, x, y: model(x)[0]),
    "nanogpt": Program(
        "model",
        lambda observer, module: observer.watch_class(module.GPT),
        lambda model, x, y: model(x, y)[0],  # without targets: the last position only
    ),
    "nanochat": Program(
        "nanochat.gpt",
        lambda observer, module: observer.watch_class(module.GPT),
        lambda model, x, y: model(x),
    ),
}


def run(words: Sequence[str]) -> None:
    """Run a program: `-m MODULE ARGUMENTS`, or `FILE ARGUMENTS`."""
    is_module = words[0] == "-m"
    name, *rest = words[1:] if is_module else words
    sys.argv = [name, *rest]
    # As Python does it: a module is searched in the current folder, a file next to itself.
    sys.path[0] = str(Path.cwd() if is_module else Path(name).resolve().parent)
    if is_module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--racer", choices=sorted(PROGRAMS), required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between measurements")
    parser.add_argument("--minutes", type=float, help="length of the race")
    parser.add_argument("--all-counts", action="store_true", help="nothing is free")
    parser.add_argument("--trial", action="store_true", help="only measure the time of a step")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    args = parser.parse_args(words)
    args.program = args.program[args.program[:1] == ["--"] :]
    if not args.program:
        parser.error("after --, give the program and its arguments")
    return args


def held_out_for(observer: Observer, path: Path) -> tuple[HeldOut, HeldOut]:
    """The held-out text; for a run of slm, in the ids of the tokenizer that the run has made."""
    if observer.tokenizer is None:
        return read_held_out(path)
    from held_out import Texts, windows_of

    block_size = observer.model.config.block_size
    return windows_of(Texts.read(path), observer.tokenizer, block_size)


def main() -> None:
    here = sys.path[0]
    args = arguments(sys.argv[1:])
    sys.path.append(here)  # `run` replaces the first entry
    program = PROGRAMS[args.racer]
    meter = Meter(
        lambda model: held_out_for(observer, args.held_out),
        every=args.every,
        seconds=None if args.minutes is None else 60 * args.minutes,
        all_counts=args.all_counts,
        is_trial=args.trial,
        logits_of=program.logits_of,
    )
    observer = Observer(meter)
    after_import = AfterImport(program.module, lambda module: program.watch(observer, module))
    sys.meta_path.insert(0, after_import)
    try:
        run(args.program)
    except SystemExit as end:
        if end.code or meter.is_over:
            raise
    if observer.model is None:
        raise SystemExit("the program has trained no model")
    meter.finish(observer.model)


if __name__ == "__main__":
    main()
