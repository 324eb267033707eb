"""The engine protocol: what generation asks of whatever runs a model.

`slm.generation.torch_engine` implements it with PyTorch, on any device; `slm.native` in C++, on a
CPU.

Letters: n sequences, V ids of the model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from slm.generation.options import GenerationOptions

Logits = Any
"""A tensor or an array: only the engine that made it, and code that converts it, looks inside."""

NO_ID = -1
"""Sampled instead of an id where the logits are not finite."""


class Engine(Protocol):
    """Runs a model on up to `n_slots` sequences, each in a slot with its own keys and values.

    A sequence is in its slot from `prefill` to `free`. Sequences that are prefilled in one call may
    be computed as one batch, and are then decoded together as long as they run. A sequence that is
    prefilled alone has the same logits, bit for bit, whatever the other slots hold.

    Not thread-safe.
    """

    @property
    def n_slots(self) -> int:
        """How many sequences can run at the same time; slots are 0 to n_slots - 1."""

    @property
    def block_size(self) -> int:
        """How many ids a slot can hold."""

    @property
    def vocab_size(self) -> int:
        """V, of the model; a tokenizer may have fewer ids."""

    @property
    def dtype(self) -> str:
        """Of the weights in native code, or of PyTorch's matrix multiplications."""

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> Logits:
        """Read the context of each of n new sequences.

        Args:
            slots: n empty slots.
            contexts: for each, at least one and at most block_size ids.

        Returns:
            The logits after each context, [n, V] in float32.
        """

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Logits:
        """Append one id to each of n sequences.

        Args:
            slots: n slots whose sequences have room for another id.
            ids: the id for each.

        Returns:
            The logits after each id, [n, V] in float32.
        """

    def free(self, slots: Sequence[int]) -> None:
        """Empty these slots; those that are empty already stay so."""

    def sample(
        self,
        logits: Logits,
        options: Sequence[GenerationOptions],
        uniforms: Sequence[float],
        seen: Sequence[Collection[int]] | None = None,
    ) -> list[int]:
        """Filter the logits of each of n sequences and sample an id.

        An id depends on the logits, options, number and seen ids of its own sequence only.

        Args:
            logits: [n, V], or some of their columns.
            options: which filters to apply, for each sequence.
            uniforms: one number per sequence, see `slm.generation.sampling.sample`; ignored at
                temperature 0.
            seen: the ids in each sequence, for the repetition penalty; None: it is not applied.

        Returns:
            n ids (numbers of columns); `NO_ID` where a logit is NaN or plus infinity, or none is
            finite.
        """
