"""A training run: its settings, metrics, loss plot and best model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.api.loading import load
from slm.config.run_files import CONFIG_FILE, METRICS_FILE
from slm.config.run_paths import located_settings, run_of
from slm.errors import UsageError, did_you_mean
from slm.log import Log
from slm.reporting.display import say
from slm.runs.settings import saved_settings
from slm.storage.user_paths import user_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from slm.api.language_model import LanguageModel
    from slm.config import RunConfig
    from slm.reporting.over_time import OverTime
    from slm.training import TrainingResult


class Run:
    """A training run in its folder. `slm.train` returns one, `slm.open_run` opens one.

    Every attribute is read from the files when it is asked for, so that a run can be watched while
    another process trains it.

    Attributes:
        path: the folder of the run.
        result: how the training ended, where this program has trained it; else None.
    """

    def __init__(self, path: Path, *, result: TrainingResult | None = None, log: Log = say) -> None:
        self.path = path
        self.result = result
        self._log = log

    @property
    def config(self) -> RunConfig:
        """All settings, in the groups `model`, `train` and `data`, and where each came from.

        Raises:
            CheckpointError: they cannot be read.
            UsageError: there is no run.
        """
        settings = saved_settings(self.path)
        if settings is None:
            raise UsageError(f"there is no run in {self.path}", hint="train one with slm.train")
        return located_settings(settings, self.path)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The records of `metrics.jsonl` in order; `kind` is train, validation, sample or anomaly.

            [(r["step"], r["loss"]) for r in run.metrics if r["kind"] == "validation"]

        `pandas.DataFrame(run.metrics)` makes a table of them.

        Raises:
            TrainingError: the file cannot be read.
        """
        from slm.reporting.metrics import read_metrics

        return read_metrics(self.path / METRICS_FILE)

    @property
    def best(self) -> LanguageModel:
        """The model with the lowest validation loss so far, loaded again each time.

        Raises:
            UsageError: nothing is saved yet.
            CheckpointError: it is damaged.
        """
        return load(self.path, log=self._log)

    @property
    def checkpoints(self) -> dict[int, Path]:
        """The checkpoints that the run has kept, by step; `train.keep=ladder` keeps more.

        first = min(run.checkpoints)
        slm.load(run.checkpoints[first]).generate("Once upon a time")
        """
        from slm.checkpoint.ladder import kept_checkpoints

        return kept_checkpoints(self.path)

    def over_time(
        self,
        suites: str | Sequence[str] | None = None,
        *,
        source: str | Path | None = None,
        limit: int | None = None,
        seed: int = 0,
        device: str = "auto",
        progress: bool = True,
    ) -> OverTime:
        """Test every checkpoint that the run has kept, as `slm eval --over-time` does.

            for curve in run.over_time(["facts"]).curves:
                print(curve.name, curve.arrives_at)

        The results are saved in the run. What is saved there, under the same conditions, is not
        tested again.

        Args:
            suites: of loss, stories, facts and blimp; None: the first three, without those that
                the model cannot take, such as facts with a short context.
            source: what a single suite reads, as in `LanguageModel.evaluate`; for the loss, the
                text, which is otherwise the validation text of the run.
            limit: loss: stories; None: 200. stories: samples of each prompt; None: 2. facts: pairs
                of each kind; None: 50. blimp: pairs of each paradigm; None: 50.
            seed: of the items and of the intervals.
            device: of the models: auto, cpu, cuda, cuda:N or mps.
            progress: show the progress.

        Raises:
            UsageError: there is no such suite, or the run has kept fewer than two checkpoints.
            ConfigError: a value is out of its range.
            DataError, HubError: the items cannot be read.
            MissingExtraError: stories needs the extra `quality`.
            WriteError, NoSpaceError: the results cannot be saved.
        """
        from slm.api.over_time import over_time

        return over_time(
            self.path,
            suites,
            source=source,
            limit=limit,
            seed=seed,
            device=device,
            progress=progress,
            log=self._log,
        )

    def plot(self) -> Figure:
        """Training and validation loss over the steps, as a figure of matplotlib.

            run.plot().savefig("losses.png")

        `run.plot().axes[0]` is the `Axes`. A notebook shows the figure.

        Raises:
            TrainingError: the metrics cannot be read.
        """
        from slm.reporting.plots import loss_figure

        return loss_figure(self.metrics)

    def __repr__(self) -> str:
        losses = [r for r in self.metrics if r.get("kind") == "validation" and r.get("loss")]
        if not losses:
            return f"<Run {self.path}: no evaluation yet>"
        best = min(losses, key=lambda record: float(record["loss"]))
        return (
            f"<Run {self.path}: step {self.metrics[-1]['step']:,}, best validation loss "
            f"{best['loss']:.4f} ({best['bits_per_byte']:.4f} bits per byte) "
            f"at step {best['step']:,}>"
        )


def open_run(path: str | Path, *, log: Log | None = None) -> Run:
    """Open a run that was trained before, or that another process trains now.

        run = slm.open_run("runs/book")
        run.plot()

    Args:
        path: the folder of the run, or a checkpoint in it.
        log: called with each note; None: it is printed.

    Raises:
        UsageError: there is no run.
        CheckpointError: its settings cannot be read.
    """
    given = user_path(path)
    folder = run_of(given)
    if saved_settings(folder) is None:
        runs = [file.parent.name for file in folder.parent.glob(f"*/{CONFIG_FILE}")]
        raise UsageError(
            f"there is no run in {given}",
            hint=did_you_mean(folder.name, runs)
            or "give the folder that out= or --out named when it was trained",
        )
    return Run(folder, log=log or say)
