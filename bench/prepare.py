"""Text to token files: our `prepare` compared with nanoGPT's method, in one run on one machine.

    python bench/prepare.py [--source FILE] [--tokenizer gpt2] [--json]
    python bench/prepare.py --big [MB]      memory on a large synthetic text

nanoGPT's method: `datasets.map` over a list of documents with tiktoken's `encode_ordinary`, one
document per call, 2 processes, then 1,024 shards copied one by one into a memory-mapped file. Each
method runs in a separate process; peak memory is that of the process and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PROCESSES = 2
SHARDS = 1024
BIG_MB = 2000


def ours(source: Path, tokenizer: str, out: Path) -> dict[str, float]:
    """Our method: one call."""
    from slm.data.prepare import prepare

    started_at = time.perf_counter()
    data = prepare(str(source), tokenizer, out)
    seconds = time.perf_counter() - started_at
    splits = (data.split("train"), data.split("validation"))
    return {
        "seconds": seconds,
        "bytes": sum(split.bytes for split in splits),
        "tokens": sum(split.tokens for split in splits),
    }


def nanogpts_way(source: Path, tokenizer: str, out: Path) -> dict[str, float]:
    """The same text with the steps of nanoGPT's preparation."""
    import datasets
    import numpy as np
    import tiktoken

    from slm.tokenizer.byte_pair import GPT2_PATTERN
    from slm.tokenizer.gpt2 import gpt2_tokenizer

    assert tokenizer == "gpt2", "nanoGPT's method uses GPT-2's vocabulary"
    ranks = {token: rank for rank, token in enumerate(gpt2_tokenizer().ranks)}
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=GPT2_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": len(ranks)},
    )
    datasets.disable_progress_bars()
    started_at = time.perf_counter()
    text = source.read_text("utf-8")
    documents = [part.strip("\n") for part in text.split("<|endoftext|>\n")]
    rows = datasets.Dataset.from_dict({"text": [part for part in documents if part]})

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        ids = [*encoding.encode_ordinary(row["text"]), encoding.eot_token]
        return {"ids": ids, "len": len(ids)}

    encoded = rows.map(encode, remove_columns=["text"], num_proc=PROCESSES)
    tokens = int(np.sum(encoded["len"], dtype=np.uint64))
    file = np.memmap(out / "train.bin", dtype=np.uint16, mode="w+", shape=(tokens,))
    position = 0
    shards = min(SHARDS, len(encoded))
    for number in range(shards):
        shard = encoded.shard(num_shards=shards, index=number, contiguous=True)
        ids = np.concatenate(shard.with_format("numpy")["ids"])
        file[position : position + len(ids)] = ids
        position += len(ids)
    file.flush()
    seconds = time.perf_counter() - started_at
    return {"seconds": seconds, "bytes": sum(len(d.encode()) for d in documents), "tokens": tokens}


SIDES = {"ours": ours, "nanogpt": nanogpts_way}


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, in MB (Linux)."""
    total = 0.0
    try:
        statm = Path(f"/proc/{pid}/statm").read_text("ascii").split()
        total += (int(statm[1]) - int(statm[2])) * os.sysconf("SC_PAGESIZE") / 1e6
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except (OSError, IndexError):
        return total
    return total + sum(resident_mb(int(child)) for child in children)


def measure(side: str, source: Path, tokenizer: str) -> dict[str, float]:
    """Run one method in a new process and sample its private memory 20 times per second."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, __file__, "--side", side, "--source", str(source)),
                *("--tokenizer", tokenizer, "--out", folder),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "HF_HOME": folder},
            text=True,
        )
        peak = 0.0
        ended = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not ended.wait(0.05):
                peak = max(peak, resident_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output, _ = process.communicate()
        ended.set()
        watcher.join()
        if process.returncode:
            raise SystemExit(process.returncode)
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    result["peak_mb"] = peak
    result["mb_per_second"] = result["bytes"] / 1e6 / result["seconds"]
    return result


def write_big_text(path: Path, megabytes: int) -> None:
    """Half short stories with occasional new words, half one endless document."""
    with path.open("w", encoding="utf-8") as stream:
        written = number = 0
        while written < megabytes * 500_000:
            words = " ".join(f"word{(number * 31 + i) % 50_021}" for i in range(150))
            written += stream.write(f"Story {number}. {words}.\n<|endoftext|>\n")
            number += 1
        while written < megabytes * 1_000_000:
            words = " ".join(f"line{(number * 17 + i) % 50_021}" for i in range(150))
            written += stream.write(f"{words}\n")
            number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", type=Path, default=None, help="a .txt file")
    parser.add_argument("--tokenizer", default="gpt2", help="for our method")
    parser.add_argument(
        "--big", type=int, nargs="?", const=BIG_MB, help="size of the synthetic text in MB"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(
            json.dumps(SIDES[arguments.side](arguments.source, arguments.tokenizer, arguments.out))
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source or Path(folder) / "text.txt"
        if arguments.source is None:
            write_big_text(source, arguments.big or 16)
        report = {"ours": measure("ours", source, arguments.tokenizer)}
        if arguments.big is None:
            report["nanogpt"] = measure("nanogpt", source, "gpt2")
    if arguments.json:
        print(json.dumps(report))
        return
    for side, result in report.items():
        print(
            f"{side:8} {result['bytes'] / 1e6:8.1f} MB  {result['seconds']:7.1f} s  "
            f"{result['mb_per_second']:6.2f} MB/s  {result['tokens'] / 1e6:7.2f} M tokens  "
            f"peak {result['peak_mb']:6.0f} MB"
        )
    if "nanogpt" in report:
        ratio = report["ours"]["mb_per_second"] / report["nanogpt"]["mb_per_second"]
        print(f"ratio    {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
