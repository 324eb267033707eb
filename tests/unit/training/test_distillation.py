"""What a model is to predict that learns from teachers, and that it comes to predict it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from slm.config import TrainingConfig
from slm.model import GPT
from slm.model.attention import document_mask
from slm.model.loss import IGNORE_INDEX
from slm.training.distillation import Teachers
from slm.training.optim import build_optimizers
from slm.training.step import train_step

MakeModel = Callable[..., GPT]
VOCABULARY = 97


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(0, VOCABULARY, (3, 13), generator=torch.Generator().manual_seed(seed))
    return ids[:, :-1], ids[:, 1:].clone()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_mean_prediction_and_the_next_token(tiny_model: MakeModel, weight: float) -> None:
    models = [tiny_model(family, seed=seed, spread=8.0, dropout=0.5)
              for seed, family in enumerate(("gpt2", "modern"))]  # fmt: skip
    x, y = batch()
    y[0, 2] = IGNORE_INDEX
    mask = document_mask(x, 5)
    find = Teachers(models, weight).soft_targets(x, y, attn_mask=mask)
    assert not any(model.training for model in models)
    predicted = torch.stack([model(x, attn_mask=mask)[0].softmax(-1) for model in models])
    token = F.one_hot(y.flatten().clamp(min=0), VOCABULARY)
    expected = weight * predicted.mean(0).flatten(0, 1) + (1 - weight) * token
    for chunk in (slice(0, 5), slice(5, 36)):
        found = find(chunk)
        counted = y.flatten()[chunk] != IGNORE_INDEX
        torch.testing.assert_close(found[counted], expected[chunk][counted])


def test_a_student_comes_to_predict_what_its_teacher_does(tiny_model: MakeModel) -> None:
    """With the whole weight on the teacher, the tokens themselves have no effect."""
    teacher = tiny_model("modern", seed=1, spread=8.0)
    before = {name: weights.clone() for name, weights in teacher.state_dict().items()}
    student = tiny_model("modern", seed=2)
    config = TrainingConfig(learning_rate=1e-2, optimizer="muon", muon_learning_rate=0.02)
    optimizers = build_optimizers(student, config, muon_dtype=torch.float32)

    x, y = batch()

    @torch.no_grad()
    def distance() -> float:
        ours, theirs = student(x)[0].log_softmax(-1), teacher(x)[0].log_softmax(-1)
        return float(F.kl_div(ours, theirs, log_target=True, reduction="batchmean")) / x.size(1)

    far = distance()
    teachers = Teachers([teacher], weight=1.0)
    for _ in range(60):
        train_step(student, optimizers, [(x, y)], 1, 1.0, grad_clip=1.0, teachers=teachers)
    assert distance() < 0.1 * far
    assert all(torch.equal(teacher.state_dict()[name], w) for name, w in before.items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
