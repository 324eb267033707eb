"""lm-evaluation-harness itself scores an exported folder and a server: with the same results.

It is not a development dependency, because some forty packages come with it, SciPy and scikit-learn
among them. These tests run where `lm-eval[hf,api]` is installed.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.generation import TorchEngine
from slm.interop import hugging_face
from slm.model import GPT
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.tokenizer_routes import tokenizer_routes
from tests.interop_models import logits_of, model_of, source_of, stories, tokenizer
from tests.servers import running

NEEDED = ("lm_eval", "accelerate", "aiohttp", "tenacity")
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="needs lm-eval[hf,api]",
)

WORDS = tokenizer("bpe:600")
ENDINGS = [" They went home.", " The moon was made of a big red cheese."]
DOCUMENTS = [{"start": text[:60], "endings": ENDINGS, "text": text[:120]} for text in stories(3)]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{file}"}}}}
test_split: test
output_type: {kind}
doc_to_text: "{start}"
doc_to_target: "{target}"
doc_to_choice: endings
target_delimiter: ""
metric_list: [{{metric: {metric}}}]
"""


@pytest.fixture(scope="module")
def model() -> GPT:
    return model_of("qwen3", WORDS.vocab_size, block_size=256)


@pytest.fixture(scope="module")
def folder(model: GPT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported model, and two tasks on the same few texts."""
    root = tmp_path_factory.mktemp("harness")
    source = source_of(model, WORDS)
    hugging_face.write(
        source, root / "model", dtype="float32", card="# Mia\n", log=lambda text: None
    )
    lines = [json.dumps({**document, "right": 0}) + "\n" for document in DOCUMENTS]
    (root / "documents.jsonl").write_text("".join(lines), encoding="utf-8")
    (root / "tasks").mkdir()
    choice = {"kind": "multiple_choice", "start": "{{start}}", "target": "right", "metric": "acc"}
    rolling = {"kind": "loglikelihood_rolling", "start": "", "target": "{{text}}"}
    for name, values in {
        "endings": choice,
        "texts": {**rolling, "metric": "bits_per_byte"},
    }.items():
        task = TASK.format(name=name, file=(root / "documents.jsonl").as_posix(), **values)
        if name == "texts":
            task = task.replace("doc_to_choice: endings\n", "")
        (root / "tasks" / f"{name}.yaml").write_text(task, encoding="utf-8")
    return root


def harness(
    folder: Path, kind: str, arguments: str, *tasks: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of `lm_eval`, and the log-likelihoods of each task, document and answer."""
    out = folder / "-".join((kind, *tasks))
    command = [sys.executable, "-m", "lm_eval", "--model", kind, "--model_args", arguments]
    command += ["--include_path", str(folder / "tasks"), "--tasks", ",".join(tasks)]
    command += ["--output_path", str(out), "--log_samples"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "NO_PROXY": "*"}
    cache = {"HF_HOME": str(folder / "cache")}
    done = subprocess.run(
        command, env={**os.environ, **offline, **cache}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = out.rglob("results_*.json")
    likelihoods = {}
    for name in tasks:
        (samples,) = out.rglob(f"samples_{name}_*.jsonl")
        for line in samples.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            answers = [float(answer[0][0]) if name == "endings" else float(answer[0])
                       for answer in sample["resps"]]  # fmt: skip
            likelihoods[name, sample["doc_id"]] = answers
    return json.loads(results.read_text(encoding="utf-8"))["results"], likelihoods


def log_likelihood(model: GPT, context: str, text: str) -> float:
    """Of the text after the context, in nats; the ids are those of both together."""
    whole, n_before = WORDS.encode(context + text), len(WORDS.encode(context))
    ids = torch.tensor([[WORDS.bos_id, *whole]])
    scores = logits_of(model, ids[:, :-1]).log_softmax(dim=-1)
    chosen = scores[0].gather(1, ids[0, 1:, None])[:, 0]
    return float(chosen[n_before:].sum())


@pytest.mark.slow
def test_both_ways_agree_with_each_other_and_with_us(model: GPT, folder: Path) -> None:
    path = (folder / "model").as_posix()
    in_folder = f"pretrained={path},dtype=float32"
    results, likelihoods = harness(folder, "hf", in_folder, "endings")
    # A text that is scored as a whole already has the token that begins it from the harness.
    more = harness(folder, "hf", f"{in_folder},add_bos_token=False", "texts")
    by_folder = {**results, **more[0]}, {**likelihoods, **more[1]}
    served = ServedModel.of("tiny", WORDS, model.config.block_size)
    routes = tokenizer_routes([served], Limits())
    with running(TorchEngine(model, 4), tokenizer=WORDS, routes=routes) as server:
        by_server = harness(
            folder,
            "local-completions",
            f"model=tiny,base_url={server.address}/v1/completions,tokenizer_backend=remote,"
            f"max_length={model.config.block_size}",
            "endings",
            "texts",
        )
    n_bytes = 0
    expected = {}
    for number, document in enumerate(DOCUMENTS):
        start, text = str(document["start"]), str(document["text"])
        answers = [log_likelihood(model, start, ending) for ending in ENDINGS]
        expected["endings", number] = answers
        expected["texts", number] = [log_likelihood(model, "", text)]
        n_bytes += len(text.encode())
    for results, found in (by_folder, by_server):
        assert found.keys() == expected.keys()
        for key, answers in expected.items():
            assert found[key] == pytest.approx(answers, abs=1e-2), key
        right = [
            expected["endings", n][0] > expected["endings", n][1] for n in range(len(DOCUMENTS))
        ]
        assert results["endings"]["acc,none"] == pytest.approx(sum(right) / len(DOCUMENTS))
        nats = sum(expected["texts", n][0] for n in range(len(DOCUMENTS)))
        bits = -nats / n_bytes / math.log(2)
        assert results["texts"]["bits_per_byte,none"] == pytest.approx(bits, rel=1e-4)
