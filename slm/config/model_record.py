"""The models that a run starts or learns from, as its settings record them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelRecord:
    """What settings record about a checkpoint that `train.init_from` or `train.teachers` names."""

    weights_sha256: str
    """Of its `model.safetensors`, as its manifest lists it."""
    step: int
    """Of its own run; 0: it was imported."""
    tokenizer: str
    """The name of its tokenizer."""
    tokenizer_sha256: str
    """The fingerprint of its tokenizer."""

    def to_json(self) -> dict[str, Any]:
        """The facts by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> ModelRecord | None:
        """Read what `to_json` returned; None: it is something else."""
        if not isinstance(data, dict) or data.keys() != cls.__dataclass_fields__.keys():
            return None
        hashes = (data["weights_sha256"], data["tokenizer_sha256"])
        if not all(isinstance(text, str) and _SHA256.fullmatch(text) for text in hashes):
            return None
        if type(data["step"]) is not int or not isinstance(data["tokenizer"], str):
            return None
        return cls(**data)
