"""Every export of some models in its real consumer: ids, logits, greedy text and size.

    python bench/interop.py runs/demo [RUN ...] --stories stories.txt [--count 10000]
        [--targets hf gguf ...] [--llama2c CHECKOUT] [--nanogpt CHECKOUT]
    python bench/interop.py stories260K.bin tok512.bin --stories stories.txt --llama2c CHECKOUT
        [--scored validation.txt]

For every model and target it exports, lets the consumer tokenize the first `--count` stories of the
file (separated by lines `<|endoftext|>`), compares the logits of a text and the greedy continuation
of a prompt, imports the file again where that is possible, and compares the ids of that, too.
`gguf` is written in float32, and then in q8_0, whose bits per byte by llama.cpp are compared with
those in float32. Checkouts that are not named are left out.

With a model and a tokenizer of llama2.c, it imports them, and compares the ids of the stories, and
logits and bits per byte of those of `--scored`, with those of llama2.c itself.

Logits are compared in float32. llama.cpp reports log-probabilities, so these are compared, of the
ids that it lists. For nanoGPT see docs/how-to/use-elsewhere.md: its GELU differs.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.metadata
import json
import math
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slm.checkpoint import load_checkpoint, resolve_checkpoint
from slm.errors import SlmError
from slm.evals.scoring import story_windows
from slm.interop.export import export
from slm.interop.importing import import_model
from slm.interop.source import ExportSource
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

PROMPT = "Once upon a time"
GREEDY_TOKENS = 40
SCORED_TOKENS = 200
"""Tokens whose log-probability llama.cpp is asked for, one request each."""


@dataclass
class Model:
    """A model that leaves."""

    name: str
    source: ExportSource
    gpt: GPT
    stories: Sequence[str]
    ids: list[list[int]]
    """Of the stories."""

    @property
    def tokenizer(self) -> Tokenizer:
        return self.source.tokenizer

    def text_ids(self) -> torch.Tensor:
        """[1, T] ids of the first story, with the token that begins it."""
        ids = [self.tokenizer.bos_id, *self.ids[0]]
        return torch.tensor([ids[: self.gpt.config.block_size]])

    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits, _ = self.gpt(ids)
        assert logits is not None
        return logits

    def greedy(self, prompt: str) -> list[int]:
        """The ids of the continuation, up to the end of the text."""
        ids = [self.tokenizer.bos_id, *self.tokenizer.encode(prompt)]
        room = min(GREEDY_TOKENS, self.gpt.config.block_size - len(ids))
        out = self.gpt.generate(torch.tensor([ids]), room, temperature=0)[0].tolist()
        return self.until_end(out[len(ids) :])

    def until_end(self, ids: Sequence[int]) -> list[int]:
        ends = self.tokenizer.eot_id
        return list(ids[: ids.index(ends)] if ends in ids else ids)


@dataclass
class Row:
    """A line of the table."""

    model: str
    target: str
    consumer: str
    megabytes: float
    logit_difference: float | None = None
    ids_equal: str = ""
    greedy_equal: bool | None = None
    back_ids_equal: str = ""
    back_logit_difference: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def equal_ids(found: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]) -> str:
    """How many texts have equal ids, such as `10,000 of 10,000`."""
    assert len(found) == len(expected)
    n_equal = sum(list(a) == list(b) for a, b in zip(found, expected, strict=True))
    return f"{n_equal:,} of {len(expected):,}"


def version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


def in_transformers(model: Model, folder: Path, row: Row) -> None:
    import transformers

    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    fast = transformers.AutoTokenizer.from_pretrained(folder)
    plain = fast.backend_tokenizer
    plain.encode_special_tokens = True  # as for us, where text never gives an end of text
    found = plain.encode_batch(list(model.stories), add_special_tokens=False)
    row.ids_equal = equal_ids([each.ids for each in found], model.ids)
    ids = model.text_ids()
    with torch.inference_mode():
        row.logit_difference = float((theirs(ids).logits - model.logits(ids)).abs().max())
    prompt = fast(PROMPT, return_tensors="pt")
    ours = model.greedy(PROMPT)
    n_prompt = prompt["input_ids"].shape[1]
    written = theirs.generate(**prompt, max_new_tokens=GREEDY_TOKENS, do_sample=False)[0]
    found_ids = model.until_end(written.tolist()[n_prompt:])
    row.greedy_equal = found_ids[: len(ours)] == ours and (
        len(found_ids) == len(ours) or len(ours) + n_prompt == model.gpt.config.block_size
    )


def in_onnxruntime(model: Model, folder: Path, row: Row) -> None:
    import onnxruntime
    import tokenizers

    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.encode_special_tokens = True
    found = plain.encode_batch(list(model.stories), add_special_tokens=False)
    row.ids_equal = equal_ids([each.ids for each in found], model.ids)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    names = [value.name for value in session.get_inputs()]
    cached = [name for name in names if name.startswith("past_key_values.")]
    config = model.gpt.config
    empty = np.zeros((1, config.kv_heads, 0, config.head_width), np.float32)

    def run(ids: np.ndarray[Any, Any], past: Sequence[Any]) -> list[Any]:
        length = past[0].shape[2]
        fed = dict(zip(cached, past, strict=True))
        fed["input_ids"] = ids
        fed["attention_mask"] = np.ones((1, length + ids.shape[1]), np.int64)
        fed["position_ids"] = np.arange(length, length + ids.shape[1])[None]
        outputs: list[Any] = session.run(None, fed)
        return outputs

    ids = model.text_ids()
    logits = run(ids.numpy(), [empty] * len(cached))[0]
    row.logit_difference = float(np.abs(logits - model.logits(ids).numpy()).max())
    ours = model.greedy(PROMPT)
    new = np.array([[model.tokenizer.bos_id, *model.tokenizer.encode(PROMPT)]])
    past: Sequence[Any] = [empty] * len(cached)
    written: list[int] = []
    while len(written) < len(ours):
        logits, *past = run(new, past)
        written.append(int(logits[0, -1].argmax()))
        new = np.array([[written[-1]]])
    row.greedy_equal = written == ours


class LlamaServer:
    """llama.cpp's server with a model."""

    def __init__(self, path: Path, positions: int) -> None:
        from slm.bench.baselines.llama_cpp import open_server

        self.server = open_server(path, streams=1, positions=positions)
        address = urllib.parse.urlsplit(self.server.listening_address)
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        try:
            self.connection.request("POST", path, json.dumps(body), headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for too long
            self.connection.close()
            self.connection.request("POST", path, json.dumps(body), headers)
            answer = self.connection.getresponse()
        return json.load(answer)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        options = {"add_special": False, "parse_special": False}
        return [self.post("/tokenize", {"content": text, **options})["tokens"] for text in texts]

    def next_logprobs(self, ids: Sequence[int], count: int) -> dict[int, float]:
        """Log-probabilities of the id after these, of the `count` most likely ones."""
        body = {"prompt": list(ids), "n_predict": 1, "n_probs": count, "temperature": 1.0}
        answer = self.post("/completion", {**body, "cache_prompt": True, "samplers": []})
        (found,) = answer["completion_probabilities"]
        return {entry["id"]: entry["logprob"] for entry in found["top_logprobs"]}

    def greedy(self, prompt: str, n_tokens: int) -> str:
        body = {"prompt": prompt, "n_predict": n_tokens, "temperature": 0.0}
        text: str = self.post("/completion", body)["content"]
        return text


def scored(server: LlamaServer, model: Model) -> tuple[float, float, list[float]]:
    """Bits per byte of the first stories, the largest difference to our log-probabilities, and all.

    Every position is asked for with the whole of its story before it.
    """
    nats, n_bytes, n_tokens, difference = 0.0, 0, 0, 0.0
    all_nats = []
    for text, ids in zip(model.stories, model.ids, strict=True):
        whole = [model.tokenizer.bos_id, *ids]
        if len(whole) > model.gpt.config.block_size:
            continue
        ours = model.logits(torch.tensor([whole]))[0].log_softmax(dim=-1)
        for position in range(len(ids)):
            found = server.next_logprobs(whole[: position + 1], model.gpt.config.vocab_size)
            nats -= found[ids[position]]
            all_nats.append(-found[ids[position]])
            likely = [(i, logprob) for i, logprob in found.items() if logprob > -10]
            difference = max(
                difference, *(abs(lp - float(ours[position, i])) for i, lp in likely), 0.0
            )
        n_bytes += len(text.encode())
        n_tokens += len(ids)
        if n_tokens >= SCORED_TOKENS:
            break
    return nats / math.log(2) / n_bytes, difference, all_nats


def in_llama_cpp(model: Model, path: Path, row: Row) -> None:
    server = LlamaServer(path, model.gpt.config.block_size)
    row.ids_equal = equal_ids(server.ids(model.stories), model.ids)
    ours = model.greedy(PROMPT)
    row.greedy_equal = server.greedy(PROMPT, len(ours)) == model.tokenizer.decode(ours)
    bits, row.logit_difference, _ = scored(server, model)
    row.notes["bits_per_byte"] = bits


def probe(checkout: Path, folder: Path, words: Path, what: str, feed: bytes) -> bytes:
    """The output of `llama2c_probe.c` for an exported or downloaded model."""
    program = folder / "probe"
    source = Path(__file__).with_name("llama2c_probe.c")
    if not program.exists():
        flags = ["-O3", "-march=native", "-I", str(checkout)]
        subprocess.run(["cc", *flags, "-o", program, source, "-lm"], check=True)
    command = [program, what, words / "model.bin", words / "tokenizer.bin"]
    return subprocess.run(command, input=feed, stdout=subprocess.PIPE, check=True).stdout


def probed_ids(checkout: Path, scratch: Path, folder: Path, texts: Sequence[str]) -> list[Any]:
    """What run.c makes of texts; it puts a space in front of each."""
    encoded = [text.encode() for text in texts]
    feed = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    out = np.frombuffer(probe(checkout, scratch, folder, "ids", feed), np.int32)
    found, at = [], 0
    while at < len(out):
        found.append(out[at + 1 : at + 1 + out[at]].tolist())
        at += 1 + out[at]
    return found


def probed_logits(
    checkout: Path, scratch: Path, folder: Path, windows: Sequence[Sequence[int]], vocab_size: int
) -> Iterator[np.ndarray[Any, Any]]:
    """The logits [T, vocab_size] of each window."""
    feed = b"".join(
        struct.pack("<I", len(ids)) + np.array(ids, np.int32).tobytes() for ids in windows
    )
    out = np.frombuffer(probe(checkout, scratch, folder, "logits", feed), np.float32)
    at = 0
    for ids in windows:
        yield out[at : at + len(ids) * vocab_size].reshape(len(ids), vocab_size)
        at += len(ids) * vocab_size


def in_llama2c(model: Model, folder: Path, row: Row, checkout: Path) -> None:
    """Its ids are renumbered: the import has the order."""
    from slm.interop.llama2c import renumbered

    tokens, order = renumbered(model.tokenizer)
    theirs = probed_ids(checkout, folder.parent, folder, model.stories)
    spaced = [
        ids.tolist() for ids in model.tokenizer.encode_batch([" " + s for s in model.stories])
    ]
    row.ids_equal = equal_ids([[order[i] for i in ids] for ids in theirs], spaced)
    ids = model.text_ids()
    number = {ours: i for i, ours in reversed(list(enumerate(order)))}
    window = [1, *(number[i] for i in ids[0, 1:].tolist())]
    (logits,) = probed_logits(checkout, folder.parent, folder, [window], len(tokens))
    ours = model.logits(ids)[0].numpy()
    row.logit_difference = float(np.abs(logits - ours[:, order]).max())
    row.greedy_equal = bool((logits.argmax(axis=1) == ours[:, order].argmax(axis=1)).all())


def in_nanogpt(model: Model, folder: Path, row: Row, checkout: Path) -> None:
    sys.path.insert(0, str(checkout))
    import model as nanogpt  # type: ignore[import-not-found]

    stored = torch.load(folder / "ckpt.pt", weights_only=True)
    theirs = nanogpt.GPT(nanogpt.GPTConfig(**stored["model_args"])).eval()
    theirs.load_state_dict(stored["model"])
    if (folder / "meta.pkl").exists():
        from slm.interop.plain_pickle import loads

        stoi: Any = loads((folder / "meta.pkl").read_bytes())
        known = [s for s in model.stories if all(character in stoi["stoi"] for character in s)]
        found = [[stoi["stoi"][character] for character in s] for s in known]
        row.ids_equal = equal_ids(
            found, [ids.tolist() for ids in model.tokenizer.encode_batch(known)]
        )
    ids = model.text_ids()
    with torch.inference_mode():
        logits = theirs(ids, targets=ids)[0]
    row.logit_difference = float((logits - model.logits(ids)).abs().max())
    prompt = torch.tensor([[model.tokenizer.bos_id, *model.tokenizer.encode(PROMPT)]])
    ours = model.greedy(PROMPT)
    written = theirs.generate(prompt, max(1, len(ours)), top_k=1)[0].tolist()[prompt.size(1) :]
    row.greedy_equal = model.until_end(written)[: len(ours)] == ours


def brought_back(model: Model, path: Path, row: Row) -> None:
    """Import what was exported."""
    again = import_model(str(path))
    found = [ids.tolist() for ids in again.tokenizer.encode_batch(list(model.stories))]
    is_renumbered = row.target.startswith("llama2c")
    if not is_renumbered:
        row.back_ids_equal = equal_ids(found, model.ids)
    built = GPT(again.config).eval()
    built.load_state_dict({name: values.float() for name, values in again.weights.items()})
    ids = model.text_ids()
    if not is_renumbered:
        with torch.inference_mode():
            logits, _ = built(ids)
        assert logits is not None
        row.back_logit_difference = float((logits - model.logits(ids)).abs().max())


def from_llama2c(
    path: Path, words: Path, stories: Sequence[str], scored: Sequence[str], checkout: Path
) -> Row:
    """A model of llama2.c here and there; every story is scored in the windows of `slm eval`."""
    model = import_model(str(path), tokenizer=str(words))
    gpt = GPT(model.config).eval()
    gpt.load_state_dict({name: values.float() for name, values in model.weights.items()})
    row = Row(model.name, "import", f"llama2.c {revision(checkout)}", path.stat().st_size / 1e6)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        shutil.copy(path, scratch / "model.bin")
        shutil.copy(words, scratch / "tokenizer.bin")
        ids = [each.tolist() for each in model.tokenizer.encode_batch(list(stories))]
        row.ids_equal = equal_ids(probed_ids(checkout, scratch, scratch, stories), ids)
        pieces = [
            np.append(each, model.tokenizer.eot_id).astype(np.uint32)
            for each in model.tokenizer.encode_batch(list(scored))
        ]
        windows = list(
            story_windows(
                pieces,
                model.tokenizer.eot_id,
                model.config.block_size,
                bos_id=model.tokenizer.bos_id,
            )
        )
        theirs = probed_logits(
            checkout,
            scratch,
            scratch,
            [w.ids[:-1].tolist() for w in windows],
            gpt.config.vocab_size,
        )
        nats = {"ours": 0.0, "llama2.c": 0.0}
        row.logit_difference, row.greedy_equal = 0.0, True
        for window, found in zip(windows, theirs, strict=True):
            inputs = torch.from_numpy(window.ids.astype(np.int64))
            with torch.inference_mode():
                logits, _ = gpt(inputs[None, :-1])
            assert logits is not None
            other = torch.from_numpy(found.copy())
            row.logit_difference = max(row.logit_difference, float((other - logits[0]).abs().max()))
            row.greedy_equal &= bool((other.argmax(-1) == logits[0].argmax(-1)).all())
            for name, values in (("ours", logits[0]), ("llama2.c", other)):
                chosen = values.double().log_softmax(-1).gather(1, inputs[1:, None])
                nats[name] -= float(chosen[window.n_context :].sum())
    n_bytes = sum(len(story.encode()) for story in scored)
    row.notes = {f"bits_per_byte, {k}": v / math.log(2) / n_bytes for k, v in nats.items()}
    return row


def rows_of(model: Model, options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """A row per target that can hold the model and whose consumer is there."""
    llama2c = f"llama2.c {revision(options.llama2c)}"
    nanogpt = f"nanoGPT {revision(options.nanogpt)}"
    consumers: dict[str, tuple[str, str, str, Callable[[Path, Row], None]]] = {
        "hf": ("transformers", "float32", "", lambda p, r: in_transformers(model, p, r)),
        "gguf": ("xllamacpp", "float32", "", lambda p, r: in_llama_cpp(model, p, r)),
        "gguf q8_0": ("xllamacpp", "q8_0", "", lambda p, r: in_llama_cpp(model, p, r)),
        "onnx": ("onnxruntime", "float32", "", lambda p, r: in_onnxruntime(model, p, r)),
        "llama2c": (
            llama2c, "float32", "model.bin",
            lambda p, r: in_llama2c(model, p, r, options.llama2c),
        ),
        "nanogpt": (
            nanogpt, "float32", "ckpt.pt",
            lambda p, r: in_nanogpt(model, p, r, options.nanogpt),
        ),
    }  # fmt: skip
    for target, (consumer, dtype, file, compare) in consumers.items():
        if target not in options.targets or (
            target in ("llama2c", "nanogpt") and getattr(options, target) is None
        ):
            continue
        kind = target.partition(" ")[0]
        path = scratch / f"{model.name}-{target.replace(' ', '-')}"
        path = path.with_name(path.name + ".gguf") if kind == "gguf" else path
        try:
            done = export(model.source, kind, path, dtype=dtype)
        except SlmError as error:
            print(f"{model.name}, {target}: {error.message}", file=sys.stderr)
            continue
        name = consumer if " " in consumer else version(consumer)
        row = Row(model.name, target, name, done.bytes / 1e6)
        compare(path, row)
        if kind != "onnx":
            brought_back(model, path / file if file else path, row)
        yield row


def revision(checkout: Path | None) -> str:
    if checkout is None:
        return ""
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%h %cs"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def stories_of(path: Path) -> list[str]:
    """The stories of a text file."""
    text = path.read_text(encoding="utf-8")
    return [story.strip() for story in text.split("<|endoftext|>") if story.strip()]


def opened(run: str, stories: Sequence[str]) -> Model:
    checkpoint = load_checkpoint(resolve_checkpoint(Path(run)))
    source = ExportSource.of(checkpoint)
    ids = [each.tolist() for each in source.tokenizer.encode_batch(list(stories))]
    return Model(source.name, source, checkpoint.build_model(), stories, ids)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--stories", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument(
        "--scored", type=Path, help="stories to score; those of --stories if absent"
    )
    targets = ["hf", "gguf", "gguf q8_0", "onnx", "llama2c", "nanogpt"]
    parser.add_argument("--targets", nargs="+", default=targets, choices=targets)
    parser.add_argument("--llama2c", type=Path, help="a checkout of llama2.c")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    options = parser.parse_args()
    stories = stories_of(options.stories)[: options.count]
    if options.runs[0].endswith(".bin"):
        path, words = map(Path, options.runs)
        scored = stories_of(options.scored) if options.scored else stories
        row = from_llama2c(path, words, stories, scored, options.llama2c)
        print(json.dumps(asdict(row)), flush=True)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for run in options.runs:
            model = opened(run, stories)
            for row in rows_of(model, options, Path(scratch)):
                print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
