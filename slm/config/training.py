"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from slm.config.group import (
    ContextLength,
    Count,
    Fraction,
    PathText,
    Positive,
    Rate,
    Renamed,
    SettingsGroup,
)
from slm.config.model import DEFAULT_BLOCK_SIZE
from slm.errors import ConfigError, did_you_mean, shown


class TrainingConfig(SettingsGroup):
    """How a model is trained. Its `__dict__` is the mapping that `Trainer` takes."""

    old_names: ClassVar = {
        "attend_within": Renamed("document_masking", {"window": False, "story": True}),
        "short_context": Renamed("seq_len_warmup"),
        "short_context_fraction": Renamed("seq_len_warmup_fraction"),
        "muon_steps": Renamed("muon_ns_steps"),
    }

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1337
    """Determines the initial weights, the order of the data, dropout, and the samples."""
    batch_size: Positive = 16
    """Sequences in one micro-batch of one process."""
    gradient_accumulation_steps: Positive = 2
    """Micro-batches per optimizer step, of all processes together."""
    max_steps: Positive = 2000
    """Optimizer steps of the whole run."""
    max_minutes: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    """Time budget in minutes; the learning rate then follows elapsed time, not max_steps."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """adamw, or muon for the matrices in the blocks and adamw for all other parameters."""
    learning_rate: Rate = 6e-4
    """Peak learning rate of AdamW."""
    muon_learning_rate: Rate = 0.02
    """Peak learning rate of Muon."""
    muon_momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """Momentum of Muon."""
    muon_ns_steps: Annotated[int, Field(ge=1, le=20)] = 4
    """Newton-Schulz iterations in Muon; fewer are cheaper and less exact."""
    weight_decay: Rate = 0.1
    """Decoupled weight decay, applied to matrices only."""
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """AdamW's decay of the gradient's mean."""
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """AdamW's decay of the squared gradient's mean."""
    grad_clip: Annotated[float, Field(ge=0.0, le=1e6)] = 1.0
    """Maximum norm of the gradient; 0 disables clipping."""
    schedule: Literal["cosine", "wsd"] = "cosine"
    """Learning rate after warm-up: cosine decay, or constant and then linear decay (wsd)."""
    warmup_steps: Count = 100
    """Steps of linear warm-up."""
    decay_fraction: Fraction = 0.4
    """Fraction of the run in which wsd decays."""
    min_lr_fraction: Fraction = 0.1
    """Final learning rate, as a fraction of the peak."""
    document_masking: bool = False
    """In training, a token attends only to its own document, not to the whole window."""
    seq_len_warmup: Positive | None = None
    """Context length at the start of a run, where windows are split; default: block_size."""
    seq_len_warmup_fraction: Fraction = 0.6
    """Fraction of the run that uses seq_len_warmup."""
    shift_windows: bool = True
    """Divide the text at other positions in each epoch after the first."""
    eval_interval: Positive = 200
    """Steps between evaluations on the validation split."""
    eval_tokens: Positive | None = 131_072
    """Validation tokens per evaluation (always the same); none: the whole split."""
    early_stopping_patience: Positive | None = None
    """Evaluations without a better loss after which training stops; none: never."""
    checkpoint_interval: Positive = 500
    """Steps between checkpoints."""
    keep_checkpoints: Positive = 2
    """Number of newest checkpoints to keep."""
    keep: Literal["newest", "ladder"] = "newest"
    """ladder: also keep the weights after 10, 20, 30, 50, 70, 100, 200, ... steps."""
    log_interval: Positive = 1
    """Steps between lines of metrics."""
    sample_prompts: tuple[str, ...] = ("Once upon a time",)
    """Prompts that the model continues at each evaluation; empty: no samples."""
    sample_tokens: Annotated[int, Field(ge=1, le=2**20)] = 60
    """New tokens per sample."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """If a loss, gradient or update is not finite: stop, or skip up to three steps in a row."""
    tensorboard: bool = False
    """Also write TensorBoard events (needs the extra `track`)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Compute dtype; auto: the fastest that is safe on this hardware."""
    sharding: Literal["off", "fsdp"] = "off"
    """With several processes, each holds the whole model (off) or a shard of it (fsdp)."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: if the run is long enough to benefit."""
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    """CPU threads; default: one per core, or fewer in a container with a CPU quota."""
    out_dir: PathText = "models"
    """The run directory: checkpoints, metrics, the loss plot, the best model."""
    init_from: PathText | None = None
    """Start from the weights and tokenizer of this run, checkpoint, hf:owner/name or builtin."""
    teachers: tuple[PathText, ...] = ()
    """Also learn what these models predict (distillation); named as for init_from."""
    teacher_weight: Fraction = 0.5
    """Weight of the teachers' mean prediction; the rest is that of the next token."""
    block_size: ContextLength = Field(default=DEFAULT_BLOCK_SIZE, exclude=True)
    """The original's name in this group for the model's block_size."""

    def cuts_evenly(self, block_size: int) -> bool:
        """Whether blocks of this many tokens consist of whole contexts of `seq_len_warmup`."""
        short = self.seq_len_warmup
        return short is None or short >= block_size or block_size % short == 0

    @model_validator(mode="after")
    def _names_exist(self) -> TrainingConfig:
        kind = self.device.split(":", 1)[0]
        if kind not in {"auto", "cpu", "cuda", "mps"}:
            raise ConfigError(
                f"device {shown(self.device)} is unknown",
                hint=did_you_mean(kind, ["auto", "cuda", "mps"])  # "gpu" does not mean cpu
                or "use auto, cpu, cuda, cuda:N or mps",
            )
        return self
