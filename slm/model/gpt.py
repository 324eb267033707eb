"""GPT: a decoder-only transformer in the shape of GPT-2 or of Qwen3, chosen by its config.

    ids -> token embedding (+ learned positions) -> n_layer blocks -> norm -> logits

Initial values (Radford et al. 2019, section 2.3):

    matrices and embeddings     normal, standard deviation 0.02
    o_proj, down_proj           normal, 0.02 / sqrt(2 n_layer): each block adds two terms
    biases, norm weights        0, 1

Shapes: B sequences, T tokens, C = n_embd, V = vocab_size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slm.config import GPTConfig
from slm.model.attention import Kernel, SelfAttention
from slm.model.dropout import Dropout, evaluating
from slm.model.kv_cache import KVCache
from slm.model.layers import Rotation, build_mlp, build_norm, rotary_tables
from slm.model.loss import SoftTargets, chunked_cross_entropy

INIT_STD = 0.02


class Block(nn.Module):
    """One layer: `x + attention(norm(x))`, then `x + mlp(norm(x))`; [B, T, C] -> [B, T, C]."""

    def __init__(self, config: GPTConfig, window: int | None = None) -> None:
        super().__init__()
        self.attention_norm = build_norm(config)
        self.attention = SelfAttention(config, window)
        self.mlp_norm = build_norm(config)
        self.mlp = build_mlp(config)

    def forward(
        self,
        x: Tensor,
        rotation: Rotation | None,
        cache: KVCache | None = None,
        layer: int = 0,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation, cache, layer, attn_mask)
        mlp_output: Tensor = self.mlp(self.mlp_norm(x))
        return x + mlp_output


class GPT(nn.Module):
    """A decoder-only transformer language model.

    Args:
        config: the shape of the model.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = (
            nn.Embedding(config.block_size, config.n_embd) if config.position == "learned" else None
        )
        self.embedding_dropout = Dropout(config.dropout)
        windows = [config.local_window if layer % 2 else None for layer in range(config.n_layer)]
        self.blocks = nn.ModuleList(Block(config, window) for window in windows)
        self.final_norm = build_norm(config)
        self.lm_head = (
            None
            if config.tie_embeddings
            else nn.Linear(config.n_embd, config.vocab_size, bias=False)
        )
        if config.position == "rope":
            cos, sin = rotary_tables(config.block_size, config.head_width, config.rope_theta)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        self._initialize()

    def _initialize(self) -> None:
        """Set the initial values of all parameters; see the table at the top of this file."""
        residual_std = INIT_STD / math.sqrt(2 * self.config.n_layer)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                into_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=residual_std if into_residual else INIT_STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.token_embedding.weight.device

    @property
    def head_weight(self) -> Tensor:
        """The matrix [V, C] that maps the last hidden states to logits."""
        return self.token_embedding.weight if self.lm_head is None else self.lm_head.weight

    def use_kernel(self, kernel: Kernel) -> None:
        """Choose the implementation of attention for all blocks; see `attend`."""
        for block in self.blocks:
            block.attention.kernel = kernel  # type: ignore[union-attr]

    def forward(
        self,
        idx: Tensor,
        targets: Tensor | None = None,
        *,
        cache: KVCache | None = None,
        last_only: bool = False,
        attn_mask: Tensor | None = None,
        soft_targets: SoftTargets | None = None,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Predict the next id at every position, or score given ones.

        Args:
            idx: [B, T] ids, T at most block_size.
            targets: [B, T] next ids; positions with -100 are ignored. With targets the loss is
                computed in chunks and the full logits never exist.
            cache: keys and values of the preceding tokens; it grows by T.
            last_only: return logits for the last position only.
            attn_mask: the positions that each position may attend to, without a cache: boolean,
                broadcastable to [B, n_head, T, T]. None: all up to its own.
            soft_targets: probabilities for the loss in place of the next ids, of B * T positions.

        Returns:
            (logits, None) without targets: [B, T, V], or [B, 1, V] with `last_only`;
            (None, loss) with targets: the mean cross-entropy in nats, a scalar.

        Raises:
            ValueError: the tokens do not fit into the context or the cache.
        """
        hidden = self.hidden_states(idx, cache=cache, attn_mask=attn_mask)
        if targets is not None:
            states, ids = hidden.flatten(0, 1), targets.flatten()
            return None, chunked_cross_entropy(states, self.head_weight, ids, soft_targets)
        if last_only:
            hidden = hidden[:, -1:]
        return F.linear(hidden, self.head_weight), None

    def hidden_states(
        self, idx: Tensor, *, cache: KVCache | None = None, attn_mask: Tensor | None = None
    ) -> Tensor:
        """The input of the output head: [B, T] ids -> [B, T, C]."""
        n_tokens = idx.size(1)
        room = self.config.block_size if cache is None else cache.room
        if n_tokens > room:
            raise ValueError(f"{n_tokens} tokens do not fit: there is room for {room}")
        positions: Tensor | slice = (
            slice(0, n_tokens) if cache is None else cache.positions(n_tokens)
        )
        x, rotation = self.embed(idx, positions)
        if cache is None:
            for block in self.blocks:
                # No layer number is passed, so that one compiled block serves all layers.
                x = block(x, rotation, attn_mask=attn_mask)
        else:
            attn_mask = cache.attn_mask(n_tokens)
            for layer, block in enumerate(self.blocks):
                x = block(x, rotation, cache, layer, attn_mask)
            cache.advance(n_tokens)
        normed: Tensor = self.final_norm(x)
        return normed

    def embed(self, idx: Tensor, positions: Tensor | slice) -> tuple[Tensor, Rotation | None]:
        """The input of the first block: the initial residual stream, and the rotation.

        Args:
            idx: [B, T] ids.
            positions: positions of the ids in their sequences: [T], [B, T] or a slice of length T.

        Returns:
            [B, T, C], and the rotation for every block; None without rotary positions.
        """
        x = self.token_embedding(idx)
        if self.position_embedding is not None:
            x = x + self.position_embedding.weight[positions]
        return self.embedding_dropout(x), self._rotation(positions)

    def _rotation(self, positions: Tensor | slice) -> Rotation | None:
        if self.config.position != "rope":
            return None
        cos, sin = self.cos[positions], self.sin[positions]
        # The sequences of a padded batch differ in position: [B, T, D/2] -> [B, 1, T, D/2].
        return (cos, sin) if cos.dim() == 2 else (cos[:, None], sin[:, None])

    @torch.no_grad()
    def generate(
        self,
        idx: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Tensor:
        """Continue a batch of ids in the simplest way: one full forward pass per new token.

        `slm.generation` does the same faster and with more options; the tests compare the two.

        Args:
            idx: [B, T] ids; the last block_size of them are the context.
            max_new_tokens: number of ids to add.
            temperature: divides the logits; 0 takes the most likely id.
            top_k: sample from the k most likely ids; None: from all.

        Returns:
            [B, T + max_new_tokens] ids.
        """
        with evaluating(self):
            for _ in range(max_new_tokens):
                logits, _ = self(idx[:, -self.config.block_size :], last_only=True)
                idx = torch.cat((idx, _choose(logits[:, -1].float(), temperature, top_k)), dim=1)
        return idx


def _choose(logits: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """Sample one id per sequence, [B, V] -> [B, 1]."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits / temperature
    if top_k:
        kth_best = logits.topk(min(top_k, logits.size(-1))).values[:, -1:]
        logits = logits.masked_fill(logits < kth_best, -math.inf)
    return torch.multinomial(logits.softmax(dim=-1), num_samples=1)
