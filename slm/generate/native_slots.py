"""Slots that the native code computes: the fastest way to generate on a CPU.

The arithmetic is that of `slm.model`, written again in C++ for one token a row
(`slm/generate/native`). With float32 weights it is the plain path up to rounding; bfloat16 and int8
weights are smaller, and what they cost in quality is measured in docs/LOG.md. V ids.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from slm.generate.native_build import native_library
from slm.model import GPT

WeightFormat = Literal["float32", "bfloat16", "int8"]
WEIGHT_FORMATS: tuple[WeightFormat, ...] = get_args(WeightFormat)

WEIGHTS_PER_THREAD = 500_000
"""With fewer weights than this for each, threads spend their time waiting for each other."""


class _Shape(ctypes.Structure):
    """`Shape` of native/decoder.h."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                *("vocab_size", "block_size", "n_layer", "n_head", "kv_heads"),
                *("n_embd", "head_width", "mlp_width"),
                *("rms_norm", "rotary", "gated", "qk_norm", "tied"),
                *("format", "slots", "threads"),
            )
        ),
        ("norm_eps", ctypes.c_float),
    )


class NativeSlots:
    """See `slm.generate.slots.Slots`.

    The weights are copied when it is made: later changes of the model do not show.

    Args:
        model: any GPT; where its parameters are does not matter.
        n_slots: how many texts can be in progress.
        weights: number format of the weights. bfloat16 halves and int8 quarters what each token
            reads from memory; keys and values are kept in the same format.
        threads: None: as many as PyTorch uses, but no more than the model is worth.
        say: is told when a compiler has to run first.

    Raises:
        NativeUnavailableError: there is no compiler here, or it fails.
    """

    def __init__(
        self,
        model: GPT,
        n_slots: int,
        weights: WeightFormat = "float32",
        *,
        threads: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        assert n_slots >= 1
        config = model.config
        self.n_slots = n_slots
        self.block_size = config.block_size
        self.vocab_size = config.vocab_size
        self.weights = weights
        if threads is None:
            n_weights = sum(parameter.numel() for parameter in model.parameters())
            threads = max(1, min(torch.get_num_threads(), n_weights // WEIGHTS_PER_THREAD))
        self.threads = threads
        self._lengths = [0] * n_slots
        self._library = native_library(say)
        shape = _Shape(
            vocab_size=config.vocab_size,
            block_size=config.block_size,
            n_layer=config.n_layer,
            n_head=config.n_head,
            kv_heads=config.kv_heads,
            n_embd=config.n_embd,
            head_width=config.head_width,
            mlp_width=config.mlp_width,
            rms_norm=config.norm == "rmsnorm",
            rotary=config.position == "rope",
            gated=config.mlp == "swiglu",
            qk_norm=config.qk_norm,
            tied=config.tie_embeddings,
            format=WEIGHT_FORMATS.index(weights),
            slots=n_slots,
            threads=threads,
            norm_eps=config.norm_eps,
        )
        self._decoder = self._library.slm_decoder_new(ctypes.byref(shape))
        if not self._decoder:
            raise MemoryError("there is too little memory for the model's weights")
        weakref.finalize(self, self._library.slm_decoder_delete, self._decoder)
        tensors = dict(model.state_dict())
        if config.position == "rope":
            tensors |= {"cos": model.cos, "sin": model.sin}
        for name, tensor in tensors.items():
            values = tensor.detach().to("cpu", torch.float32).contiguous()
            refused = self._library.slm_decoder_take(
                self._decoder, name.encode(), values.data_ptr(), values.numel()
            )
            assert not refused, f"the native code does not know {name} {list(values.shape)}"

    def admit(self, slot: int, ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        return self._begin(slot, ids, n_logits=1)[0]

    def score(self, slot: int, ids: Sequence[int]) -> Tensor:
        """As `admit`, with the logits after every one of the T ids: [T, V] in float32."""
        return self._begin(slot, ids, n_logits=len(ids))

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        positions = [self._lengths[slot] for slot in slots]
        assert all(positions), "a slot is empty"
        assert len(set(slots)) == len(slots) == len(ids), "a slot is named twice"
        for slot in slots:
            self._lengths[slot] += 1
        return self._run(slots, positions, ids, len(ids))

    def release(self, slot: int) -> None:
        """See `Slots`; the memory is kept for the next texts, in whichever slots."""
        self._lengths[slot] = 0
        self._library.slm_decoder_release(self._decoder, slot)

    def surprise(self, ids: Sequence[int], targets: Sequence[int]) -> Tensor:
        """-ln of the probability of a target after each of T ids, as [T] in float32.

        Slot 0 has to be empty, and is so again afterwards.
        """
        assert self._lengths[0] == 0, "slot 0 is taken"
        assert len(ids) == len(targets), "each id has a target"
        self._check(range(len(ids)), [*ids, *targets])
        nats = torch.empty(len(ids))
        integers = ctypes.c_int32 * len(ids)
        failed = self._library.slm_decoder_score(
            self._decoder,
            len(ids),
            integers(),
            integers(*range(len(ids))),
            integers(*ids),
            len(ids),
            integers(*targets),
            nats.data_ptr(),
        )
        self.release(0)
        if failed:
            raise MemoryError("there is too little memory to score a text")
        return nats

    def _begin(self, slot: int, ids: Sequence[int], n_logits: int) -> Tensor:
        assert self._lengths[slot] == 0, f"slot {slot} is taken"
        assert ids, "a text begins with at least one id"
        self._lengths[slot] = len(ids)
        return self._run([slot] * len(ids), range(len(ids)), ids, n_logits)

    def _run(
        self, slots: Sequence[int], positions: Sequence[int], ids: Sequence[int], n_logits: int
    ) -> Tensor:
        self._check(positions, ids)
        logits = torch.empty(n_logits, self.vocab_size)
        integers = ctypes.c_int32 * len(ids)
        if self._library.slm_decoder_run(
            self._decoder,
            len(ids),
            integers(*slots),
            integers(*positions),
            integers(*ids),
            n_logits,
            logits.data_ptr(),
        ):
            raise MemoryError("there is too little memory for another text's keys and values")
        return logits

    def _check(self, positions: Sequence[int], ids: Sequence[int]) -> None:
        assert max(positions) < self.block_size, "the context is full"
        assert min(ids) >= 0, "an id is negative"
        assert max(ids) < self.vocab_size, "an id is not in the vocabulary"
