"""Minimal pairs have the accuracy that the LM Evaluation Harness gives the same model."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.evals.blimp import BlimpSuite
from slm.evals.likelihood import log_likelihoods
from slm.model import GPT
from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.evals.conftest import small_model
from tests.unit.evals.subjects import Judge

pytest.importorskip("lm_eval", reason="the LM Evaluation Harness is not a dependency")


def write_sample(folder: Path) -> None:
    """Three paradigms of 16 pairs, in files as those of BLiMP."""
    nouns = ("cat", "girl", "old tree", "river")
    verbs = ("sleep", "sing", "wait", "grow")
    for paradigm, pattern in (
        ("agreement", ("The {n}s {v}.", "The {n}s {v}s.")),
        ("order", ("Does the {n} {v}?", "The {n} does {v}?")),
        ("article", ("A {n} can {v}.", "An {n} can {v}.")),
    ):
        rows = [
            {
                "UID": paradigm,
                "field": "syntax",
                "sentence_good": good.format(n=noun, v=verb),
                "sentence_bad": bad.format(n=noun, v=verb),
            }
            for number, (noun, verb) in enumerate(itertools.product(nouns, verbs))
            for good, bad in [pattern if number % 3 else pattern[::-1]]
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{paradigm}.jsonl").write_text(lines, encoding="utf-8")


def harness_model(model: GPT, tokenizer: BytesTokenizer) -> Any:
    """The model for the harness: one forward pass a request, nothing of `slm.evals`."""
    from lm_eval.api.model import TemplateLM

    class Ours(TemplateLM):
        backend = "causal"

        @property
        def eot_token_id(self) -> int:
            return tokenizer.eot_id

        def tok_encode(self, string: str, **kwargs: Any) -> list[int]:
            return tokenizer.encode(string)

        def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> Any:
            found = []
            for _, context, continuation in requests:
                ids = torch.tensor([[*context, *continuation]])
                with torch.no_grad():
                    logits, _ = model.eval()(ids[:, :-1])
                scores = (
                    logits[0].double().log_softmax(-1)[torch.arange(ids.size(1) - 1), ids[0, 1:]]
                )
                found.append((float(scores[-len(continuation) :].sum()), False))
            return found

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

    return Ours()


@pytest.mark.filterwarnings("ignore")
def test_blimp_is_that_of_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lm_eval

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_sample(tmp_path)
    model, tokenizer = small_model("modern", block_size=64), BytesTokenizer()
    tasks: list[Any] = [
        {
            # As in lm_eval/tasks/blimp/_template_yaml.
            "task": paradigm,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"train": str(tmp_path / f"{paradigm}.jsonl")}},
            "output_type": "multiple_choice",
            "validation_split": "train",
            "doc_to_text": "",
            "doc_to_target": 0,
            "doc_to_choice": "{{[sentence_good, sentence_bad]}}",
            "num_fewshot": 0,
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        for paradigm in ("agreement", "article", "order")
    ]
    theirs = lm_eval.simple_evaluate(
        harness_model(model, tokenizer), tasks=tasks, bootstrap_iters=0
    )
    subject = Judge(lambda request: log_likelihoods(model, tokenizer, [request])[0])
    ours = BlimpSuite(tmp_path).run(subject, seed=0)
    expected = {name: 100 * row["acc,none"] for name, row in theirs["results"].items()}
    assert ours.details["paradigms"] == pytest.approx(expected, abs=0.1)
    assert len(set(expected.values())) > 1
