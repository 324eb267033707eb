"""An engine without a model: the logits are a function of a sequence's ids, and nothing else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from slm.generation import GenerationOptions
from slm.generation.sequence import TokenSequence
from slm.generation.torch_engine import sample_ids
from slm.server.request_queue import Event, QueuedRequest
from slm.server.scheduler import Scheduler
from slm.server.served_sequence import ServedSequence, sampled_ids
from slm.tokenizer.byte_level import BytesTokenizer
from tests.servers import PATIENCE_SECONDS

BLOCK_SIZE = 32
VOCAB_SIZE = 260
"""A few ids more than the tokenizer has, as a model may."""


class FakeEngine:
    """An engine that checks how its slots are used."""

    block_size = BLOCK_SIZE
    vocab_size = VOCAB_SIZE
    dtype = "float32"

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self.texts: dict[int, list[int]] = {}
        self.most_taken = 0
        self.calls: list[str] = []
        self.fail: Callable[[str], None] = lambda call: None
        self.logits_of: Callable[[Sequence[int]], Tensor] = logits_of

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> Tensor:
        (slot,), (ids,) = slots, contexts
        assert 0 <= slot < self.n_slots
        assert slot not in self.texts
        assert 1 <= len(ids) <= self.block_size
        self.calls.append(f"prefill {slot}")
        self.fail(self.calls[-1])
        self.texts[slot] = list(ids)
        self.most_taken = max(self.most_taken, len(self.texts))
        return self.logits_of(self.texts[slot])[None]

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        assert len(set(slots)) == len(slots) == len(ids) > 0
        self.calls.append(f"decode {len(slots)}")
        self.fail(self.calls[-1])
        for slot, token_id in zip(slots, ids, strict=True):
            self.texts[slot].append(token_id)
            assert len(self.texts[slot]) <= self.block_size
        return torch.stack([self.logits_of(self.texts[slot]) for slot in slots])

    def free(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self.texts.pop(slot, None)

    def sample(self, *arguments: Any) -> list[int]:
        return sample_ids(*arguments)


def logits_of(ids: Sequence[int]) -> Tensor:
    chance = random.Random(str(list(ids)))
    return torch.tensor([chance.gauss(0.0, 3.0) for _ in range(VOCAB_SIZE)])


def make_sequence(
    prompt: str = "Once",
    *,
    index: int = 0,
    logprobs: int | None = None,
    echo: bool = False,
    silent: bool = False,
    prompt_ids: Sequence[int] | None = None,
    with_bos: bool = True,
    **options: Any,
) -> ServedSequence:
    chosen = GenerationOptions(**{"seed": 1, "max_new_tokens": 5, "top_k": None, **options})
    tokenizer = BytesTokenizer()
    row = TokenSequence(
        prompt,
        tokenizer,
        chosen,
        seed=chosen.seed,
        index=index,
        block_size=BLOCK_SIZE,
        prompt_ids=prompt_ids,
        with_bos=with_bos,
    )
    return ServedSequence(row, chosen, tokenizer, logprobs=logprobs, echo=echo, silent=silent)


class Client:
    """A request, and what was delivered of it."""

    def __init__(self, scheduler: Scheduler, *sequences: ServedSequence, pace: float = 0.0) -> None:
        self.events: list[Event] = []
        self.sequences = sequences
        self.queued: QueuedRequest = scheduler.submit(sequences, self.events.extend, pace=pace)

    @property
    def error(self) -> Exception | None:
        found = [event for event in self.events if isinstance(event, Exception)]
        assert len(found) <= 1
        assert not found or self.events[-1] is found[0]
        return found[0] if found else None

    def deltas(self, index: int = 0) -> list[Any]:
        return [e[1] for e in self.events if not isinstance(e, Exception) and e[0] == index]

    def text(self, index: int = 0) -> str:
        return "".join(delta.text for delta in self.deltas(index))

    @property
    def done(self) -> bool:
        return all(self.deltas(i) and self.deltas(i)[-1].finish for i in range(len(self.sequences)))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def take(sequence: ServedSequence, logits: Tensor) -> Any:
    """The delta that comes of logits [V]."""
    (token_id,) = sampled_ids([sequence], logits[None], FakeEngine(1))
    return sequence.take(token_id, logits)


def scripted(sequence: ServedSequence, ids: Sequence[int]) -> list[Any]:
    """The deltas of a sequence to which the ids are by far the likeliest, one after the other."""
    deltas = [sequence.begin()]
    for token_id in ids:
        logits = torch.zeros(VOCAB_SIZE)
        logits[token_id] = 1000.0
        deltas.append(take(sequence, logits))
    return [delta for delta in deltas if delta is not None]


def run_alone(sequence: ServedSequence) -> list[Any]:
    """All deltas of a sequence, with nothing beside it and no scheduler."""
    engine = FakeEngine(1)
    first = sequence.begin()
    deltas = [first] if first else []
    while not sequence.finished:
        if sequence.next_id is None:
            engine.free([0])
            deltas.append(take(sequence, engine.prefill([0], [sequence.context])[0]))
        else:
            deltas.append(take(sequence, engine.decode([0], [sequence.next_id])[0]))
    return deltas


def run(scheduler, clients=(), steps=10_000):
    """Make steps until all clients are served."""
    for _ in range(steps):
        if all(client.done or client.error for client in clients):
            return
        scheduler.step()
    raise AssertionError("the clients are not served")


def wait_until(condition):
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.005)


def never_ending(engine):
    """Let an engine's texts never end by themselves."""
    whole = engine.logits_of

    def logits_of(ids):
        logits = whole(ids)
        logits[256] = -1e9
        return logits

    engine.logits_of = logits_of


def post(http, path="/v1/completions", **fields):
    return http.post(path, json={"prompt": "Once", "seed": 1, **fields})


def problem(response, status, param=None):
    assert response.status_code == status
    error = response.json()["error"]
    assert error["param"] == param
    assert error.keys() == {"message", "type", "param", "code"}
    return error
