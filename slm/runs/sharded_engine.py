"""Generation with a model that is sharded over several processes."""

from __future__ import annotations

import torch
from torch import Tensor

from slm.generation.torch_engine import TorchEngine
from slm.hardware.devices import autocast
from slm.model import KVCache


class ShardedEngine(TorchEngine):
    """Runs a sharded model: all processes make the same calls and get the same logits."""

    def _forward(self, idx: Tensor, cache: KVCache) -> Tensor:
        # Not inference_mode: the gathered weights could no longer be used for training.
        with torch.no_grad(), autocast(idx.device.type, self.dtype):
            logits, _ = self.model(idx, cache=cache, last_only=True)
        assert isinstance(logits, Tensor)
        last = logits[:, -1].float().contiguous()
        torch.distributed.broadcast(last, src=0)
        return last
