from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from slm.cli.train import _tell
from slm.training import TrainingResult


@pytest.mark.parametrize(("best", "named"), [(None, None), (2.0, str(Path("run", "best")))])
def test_the_best_model_is_named_only_where_there_is_one(capsys, best, named):
    result = TrainingResult(
        step=1,
        train_loss=3.0,
        validation_loss=math.nan,
        best_validation_loss=best,
        stopped_early=False,
        tokens=64,
        elapsed_seconds=1.0,
        out_dir=Path("run"),
    )

    _tell(result, 2.0, None, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert told["best"] == named
    assert told["best_validation_loss"] == best
