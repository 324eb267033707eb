"""A model as ONNX: a decoder with a key/value cache, and its tokenizer next to it.

The graph has the names that programs for exported decoders expect: `input_ids` [B, T],
`attention_mask` [B, P + T], `position_ids` [B, T] and `past_key_values.N.key` and `.value`
[B, K, P, D] go in; `logits` [B, T, V] and `present.N.key` and `.value` [B, K, P + T, D] come out.
B sequences, P cached and T new tokens, all three of any size; without a cache P is 0.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from slm.errors import ConfigError, MissingExtraError
from slm.interop.architectures import architecture_of
from slm.interop.hugging_face import write_json
from slm.interop.hugging_face_config import transformers_config
from slm.interop.source import ExportDtype, ExportSource, stored
from slm.interop.tokenizer_json import to_tokenizers, tokenizer_config
from slm.log import Log
from slm.model import GPT, KVCache
from slm.quantities import gigabytes
from slm.storage.files import atomic_directory

if TYPE_CHECKING:
    import onnx

TARGET = "onnx"
OPSET = 20
"""Version of ONNX's operators; it has GELU."""
MOST_BYTES = 2_000_000_000
"""Of weights in a file, which Protocol Buffers limit."""


class GraphCache:
    """Keys and values as inputs and outputs of a graph; used as a `KVCache`.

    Args:
        past: [B, K, P, D] of keys and values in turn, two per layer.
        position_ids: [B, T].
        attention_mask: [B, P + T]; 0 marks padding.
        room: tokens that fit.
    """

    def __init__(
        self, past: tuple[Tensor, ...], position_ids: Tensor, attention_mask: Tensor, room: int
    ) -> None:
        self.present = list(past)
        self.room = room
        self._position_ids = position_ids
        self._attention_mask = attention_mask

    def positions(self, n_tokens: int) -> Tensor:
        """[B, T]."""
        return self._position_ids

    def attn_mask(self, n_tokens: int) -> Tensor:
        """Causal, without padding: boolean [B, 1, T, P + T]."""
        n_keys = self._attention_mask.size(1)
        keys = torch.arange(n_keys, device=self._position_ids.device)
        queries = torch.arange(n_keys - n_tokens, n_keys, device=keys.device)
        causal = keys[None, :] <= queries[:, None]
        own = keys[None, :] == queries[:, None]  # so that padding reads something
        is_token = self._attention_mask.bool()[:, None, None, :]
        return causal[None, None] & is_token | own[None, None]

    def append(self, layer: int, k_bktd: Tensor, v_bktd: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the past and the new tokens."""
        for place, new in ((2 * layer, k_bktd), (2 * layer + 1, v_bktd)):
            self.present[place] = torch.cat((self.present[place], new), dim=2)
        return self.present[2 * layer], self.present[2 * layer + 1]

    def advance(self, n_tokens: int) -> None:
        """The caller keeps what `append` made."""


class GraphDecoder(nn.Module):
    """A model as a function of tensors alone, to be exported."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model
        model.use_kernel("sdpa")

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        past: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        room = self.model.config.block_size
        cache = GraphCache(past, position_ids, attention_mask, room)
        hidden = self.model.hidden_states(input_ids, cache=cast(KVCache, cache))
        logits = nn.functional.linear(hidden, self.model.head_weight)
        return logits.float(), *cache.present


def check(source: ExportSource) -> None:
    """Refuse what has no `config.json` in transformers' terms.

    Raises:
        ConfigError: the shape is of no architecture that other programs have.
    """
    architecture_of(source.config, TARGET, has_exact_gelu=True)


def write(source: ExportSource, out: Path, *, dtype: ExportDtype, log: Log) -> None:
    """Write a folder with model.onnx, config.json, tokenizer.json; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        dtype: of the weights and the cache; logits are in float32.
        log: called with notes.

    Raises:
        ConfigError: see `check`; or the weights are too large for a file.
        MissingExtraError: a package for ONNX is not installed.
        WriteError, NoSpaceError: nothing is left behind.
    """
    config = source.config
    architecture = architecture_of(config, TARGET, has_exact_gelu=True)
    try:
        import onnx
        import onnxscript  # noqa: F401 - PyTorch's exporter needs it
    except ModuleNotFoundError as error:
        purpose = "writing an ONNX file"
        raise MissingExtraError(error.name or "onnx", extra="export", purpose=purpose) from None
    model = GPT(config.changed(dropout=0.0)).eval()
    weights = {name: stored(values, dtype) for name, values in source.weights().items()}
    model.to(weights["token_embedding.weight"].dtype).load_state_dict(weights)
    n_bytes = sum(values.nbytes for values in weights.values())
    if n_bytes > MOST_BYTES:
        raise ConfigError(
            f"the weights have {gigabytes(n_bytes)} in {dtype}, and an ONNX file at most 2 GB",
            hint="export to another format, or smaller weights with --dtype",
        )
    log("tracing the model for ONNX; this takes about a second per layer")
    program = export_graph(model)
    with atomic_directory(out) as folder:
        onnx.save(program, folder / "model.onnx")
        settings = transformers_config(config, architecture, source.tokenizer)
        write_json(folder / "config.json", {**settings, "dtype": dtype})
        to_tokenizers(source.tokenizer).save(str(folder / "tokenizer.json"))
        write_json(
            folder / "tokenizer_config.json", tokenizer_config(source.tokenizer, config.block_size)
        )


def export_graph(model: GPT) -> onnx.ModelProto:
    """A model as an ONNX graph; see the top of this file for its inputs and outputs."""
    config = model.config
    batch, new, old = 2, 3, 2
    n_cached = 2 * config.n_layer
    cached = (batch, config.kv_heads, old, config.head_width)
    example = (
        torch.zeros(batch, new, dtype=torch.long),
        torch.ones(batch, old + new, dtype=torch.long),
        torch.arange(old, old + new).expand(batch, new),
        # Each a tensor of its own: the exporter takes equal ones for one input.
        tuple(torch.zeros(cached, dtype=model.head_weight.dtype) for _ in range(n_cached)),
    )
    sequences = torch.export.Dim("batch", min=1)
    tokens = torch.export.Dim("sequence", min=1, max=config.block_size)
    past = torch.export.Dim("past_sequence", min=0, max=config.block_size)
    keys = torch.export.Dim("total_sequence", min=1)
    names = [f"{number}.{kind}" for number in range(config.n_layer) for kind in ("key", "value")]
    with _quiet():
        program = torch.onnx.export(
            GraphDecoder(model),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[
                *("input_ids", "attention_mask", "position_ids"),
                *(f"past_key_values.{name}" for name in names),
            ],
            output_names=["logits", *(f"present.{name}" for name in names)],
            dynamic_shapes=(
                {0: sequences, 1: tokens},
                {0: sequences, 1: keys},
                {0: sequences, 1: tokens},
                ({0: sequences, 2: past},) * n_cached,
            ),
        )
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
