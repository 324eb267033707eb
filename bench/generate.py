"""Generation beside llama.cpp and transformers, in one run, on a preset's shape.

    python bench/generate.py [--preset modern-12m] [--checkpoint RUN --data DIR] [--rounds 3]

One text of 248 new tokens after a prompt of 8, and 64 such texts together, each contender in a
process of its own with all the threads that PyTorch would use; the contenders take turns, and the
figures are medians. llama.cpp comes as the `xllamacpp` wheel, which is built for AVX2, and reads a
GGUF file of the same shape that is written here (package `gguf`); only the modern family has one.
Weights are random, as speed does not depend on them. With a checkpoint and data, the loss of each
number format is measured too, and the time of the command line to its first token.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from slm.config import GPTConfig
from slm.runtime import peak_memory_bytes

PROMPT, NEW_TOKENS, STREAMS = 8, 248, 64
OURS = ("float32", "bfloat16", "int8")
LLAMA = ("f16", "q8_0")
CONTENDERS = (
    *(f"slm {name}" for name in OURS),
    *(f"llama.cpp {name}" for name in LLAMA),
    "transformers float32",
)


def ours(config: GPTConfig, dtype: str) -> dict[str, float]:
    """Through the generator: draws, text and Python included."""
    from slm.generate.speed import measure_generation

    speed = measure_generation(config, dtype=dtype, streams=STREAMS, new_tokens=NEW_TOKENS)
    return {
        "one": speed.tokens_per_second,
        "together": speed.together_tokens_per_second,
        "first_microseconds": speed.first_tokens_microseconds,
        "last_microseconds": speed.last_tokens_microseconds,
    }


def write_gguf(path: Path, config: GPTConfig, kind: str) -> None:
    """A Qwen3 file of this shape with random weights, and a vocabulary of made-up words."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    writer = GGUFWriter(path, "qwen3")
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"w{number}" for number in range(config.vocab_size)])
    writer.add_token_types([1] * config.vocab_size)
    writer.add_token_merges(["w 0"])
    writer.add_eos_token_id(config.vocab_size - 1)
    random = np.random.default_rng(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        weights = random.normal(scale=0.02, size=(rows, columns)).astype(np.float32)
        if kind == "q8_0":
            q8_0 = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quants.quantize(weights, q8_0), raw_dtype=q8_0)
        else:
            writer.add_tensor(name, weights.astype(np.float16))

    def norm(name: str, width: int) -> None:
        writer.add_tensor(name, np.ones(width, dtype=np.float32))

    q_width = config.n_head * config.head_width
    kv_width = config.kv_heads * config.head_width
    matrix("token_embd.weight", config.vocab_size, config.n_embd)
    norm("output_norm.weight", config.n_embd)
    for layer in range(config.n_layer):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight", config.n_embd)
        norm(block + "ffn_norm.weight", config.n_embd)
        norm(block + "attn_q_norm.weight", config.head_width)
        norm(block + "attn_k_norm.weight", config.head_width)
        matrix(block + "attn_q.weight", q_width, config.n_embd)
        matrix(block + "attn_k.weight", kv_width, config.n_embd)
        matrix(block + "attn_v.weight", kv_width, config.n_embd)
        matrix(block + "attn_output.weight", config.n_embd, q_width)
        matrix(block + "ffn_gate.weight", config.mlp_width, config.n_embd)
        matrix(block + "ffn_up.weight", config.mlp_width, config.n_embd)
        matrix(block + "ffn_down.weight", config.n_embd, config.mlp_width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama(config: GPTConfig, kind: str) -> dict[str, float]:
    """llama.cpp's own server, called in this process; its own count of the time of one text."""
    import torch
    import xllamacpp

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, f"{kind}.gguf")
        write_gguf(path, config, kind)
        figures = {}
        for name, streams in (("one", 1), ("together", STREAMS)):
            params = xllamacpp.CommonParams()
            params.model.path = str(path)
            params.n_parallel = streams
            params.n_ctx = streams * config.block_size
            params.cpuparams.n_threads = torch.get_num_threads()
            params.cpuparams_batch.n_threads = torch.get_num_threads()
            params.verbosity = -1
            server = xllamacpp.Server(params)
            body = {
                "prompt": list(range(1, PROMPT + 1)),
                "max_tokens": NEW_TOKENS - 1,
                "ignore_eos": True,
                "temperature": 0.8,
                "top_k": 50,
                "cache_prompt": False,
            }
            answers: list[Any] = []

            def ask(server: Any = server, body: Any = body, answers: list[Any] = answers) -> None:
                answers.append(server.handle_completions(body))

            ask()
            answers.clear()
            started_at = time.perf_counter()
            askers = [threading.Thread(target=ask) for _ in range(streams)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join()
            seconds = time.perf_counter() - started_at
            tokens = sum(answer["usage"]["completion_tokens"] for answer in answers)
            figures[name] = tokens / seconds
            if streams == 1 and "timings" in answers[0]:
                figures["one"] = answers[0]["timings"]["predicted_per_second"]
            del server
        return figures


def transformers(config: GPTConfig) -> dict[str, float]:
    """Its Qwen3 and its `generate`."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=config.vocab_size,
            hidden_size=config.n_embd,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.n_layer,
            num_attention_heads=config.n_head,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_width,
            max_position_embeddings=config.block_size,
            tie_word_embeddings=config.tie_embeddings,
        )
    ).eval()
    figures = {}
    for name, streams in (("one", 1), ("together", STREAMS)):
        prompt = torch.ones(streams, PROMPT, dtype=torch.long)
        started_at = time.perf_counter()
        ids = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=True,
            temperature=0.8,
            top_k=50,
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            pad_token_id=0,
        )
        seconds = time.perf_counter() - started_at
        figures[name] = streams * (ids.size(1) - PROMPT) / seconds
    return figures


def losses(checkpoint: Path, data: Path, n_tokens: int = 40_000) -> dict[str, float]:
    """Mean loss on held-out text, nats a token, of PyTorch in float32 and of each format here."""
    import torch
    import torch.nn.functional as F

    from slm.checkpoint import open_checkpoint
    from slm.data.shards import DataDirectory
    from slm.generate.native_slots import WEIGHT_FORMATS, NativeSlots

    opened = open_checkpoint(checkpoint)
    model = opened.build_model()
    directory = DataDirectory.open(data)
    assert directory.tokenizer.fingerprint == opened.tokenizer.fingerprint, "another tokenizer"
    ids = directory.tokens("validation")[:n_tokens].astype("int64")
    length = model.config.block_size
    windows = [ids[i : i + length + 1] for i in range(0, len(ids) - length, length)]
    slots = {name: NativeSlots(model, 1, name) for name in WEIGHT_FORMATS}
    totals = dict.fromkeys(("PyTorch float32", *slots), 0.0)
    for window in windows:
        targets = torch.from_numpy(window[1:])
        with torch.inference_mode():
            logits, _ = model(torch.from_numpy(window[None, :-1]))
        totals["PyTorch float32"] += float(F.cross_entropy(logits[0], targets))
        for name, native in slots.items():
            scores = native.score(0, window[:-1].tolist())
            native.release(0)
            totals[name] += float(F.cross_entropy(scores, targets))
    return {name: total / len(windows) for name, total in totals.items()}


def seconds_to_first_token(checkpoint: Path) -> float:
    """From the start of the command to the first letter of the continuation; median of 5."""
    times = []
    for _ in range(5):
        command = [sys.executable, "-m", "slm", "generate", "--checkpoint", str(checkpoint), "One"]
        started_at = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.read(len("One") + 1)
        times.append(time.perf_counter() - started_at)
        process.stdout.close()
        process.terminate()
        process.wait()
    return statistics.median(times)


def measure(contender: str, config: GPTConfig) -> dict[str, float]:
    """One contender's figures, in this process."""
    who, kind = contender.split()
    functions = {"slm": ours, "llama.cpp": llama}
    figures = functions[who](config, kind) if who in functions else transformers(config)
    return {**figures, "memory_mb": peak_memory_bytes("cpu") / 1e6}


def main() -> None:
    """Measure every contender in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="modern-12m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS, help="one contender, once, as JSON")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from slm.presets import resolve

    if arguments.only:
        figures = measure(arguments.only, resolve(arguments.preset).model)
        print(json.dumps(figures))
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(arguments.rounds):
        for name in CONTENDERS:
            command = [sys.executable, __file__, "--preset", arguments.preset, "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            rounds[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
    table: dict[str, Any] = {
        name: {key: statistics.median(figures[key] for figures in some) for key in some[0]}
        for name, some in rounds.items()
        if some
    }
    if arguments.checkpoint:
        table["seconds to the first token"] = seconds_to_first_token(arguments.checkpoint)
        if arguments.data:
            table["loss"] = losses(arguments.checkpoint, arguments.data)
    if arguments.json:
        print(json.dumps(table, indent=2))
        return
    for name, figures in table.items():
        if isinstance(figures, dict):
            figures = "  ".join(f"{key} {value:,.4g}" for key, value in figures.items())
        print(f"{name:28} {figures}")


if __name__ == "__main__":
    main()
