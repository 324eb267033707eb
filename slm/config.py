"""All settings: names, meanings, defaults and bounds.

There are three groups, each frozen and validated: `GPTConfig` (the shape of the model, also called
`ModelConfig`), `TrainingConfig` and `DataConfig`. A `RunConfig` has one of each, and the origin of
each value. `slm.presets` builds it from presets, files and single settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from slm.errors import CheckpointError, ConfigError, did_you_mean, shown
from slm.origins import DEFAULT, Origin, OriginKind
from slm.parent import Parent
from slm.settings_group import PathText, Renamed, SettingsGroup

CONFIG_FORMAT = "slm-config"
CONFIG_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 has old names of settings, and origins as sentences."""
DEFAULT_SOURCE = "roneneldan/TinyStories"

Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, le=10.0)]
ContextLength = Annotated[int, Field(ge=1, le=2**17)]

DEFAULT_BLOCK_SIZE = 256
BEFORE = {"train": {"shift_windows": False}}
"""Values of settings in saved runs that are older than the settings, where they are not the
defaults: such a run continues as it began."""
SAME_SETTING = {"train.block_size": "model.block_size"}
"""Settings that the original has in two groups, and the ones that have an effect here."""


class GPTConfig(SettingsGroup):
    """The shape of a model.

    The defaults are the GPT-2 family: LayerNorm, learned positions, a GELU MLP, biases, dropout.
    The modern family (`norm="rmsnorm"`, `position="rope"`, `mlp="swiglu"`, `qk_norm=True`,
    `bias=False`) has exactly the shape of Qwen3.
    """

    vocab_size: Annotated[int, Field(ge=2, le=2**24)] = 8192
    """Number of token ids; in training, the tokenizer's."""
    block_size: ContextLength = DEFAULT_BLOCK_SIZE
    """Context length in tokens."""
    n_layer: Annotated[int, Field(ge=1, le=1024)] = 6
    """Number of transformer blocks."""
    n_head: Annotated[int, Field(ge=1, le=1024)] = 6
    """Number of query heads."""
    n_kv_head: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Number of key and value heads (grouped-query attention); default: n_head."""
    n_embd: Annotated[int, Field(ge=1, le=65536)] = 384
    """Width of the residual stream."""
    head_dim: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Width of a head; default: n_embd / n_head."""
    mlp_dim: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Hidden width of the MLP; default: 4 n_embd for gelu, 8/3 n_embd, rounded up to a multiple of
    64, for swiglu."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Dropout probability in training."""
    bias: bool = True
    """Biases in linear layers and LayerNorm."""
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    """Kind of normalization."""
    norm_eps: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-5
    """Added to the variance before its square root."""
    position: Literal["learned", "rope"] = "learned"
    """Positions: a learned embedding, or rotary embeddings (RoPE) of queries and keys."""
    rope_theta: Annotated[float, Field(gt=1.0, le=1e9)] = 10000.0
    """Base of the rotary wavelengths."""
    mlp: Literal["gelu", "gelu_exact", "swiglu"] = "gelu"
    """Kind of MLP; gelu is the tanh approximation, as in GPT-2."""
    local_window: Positive | None = None
    """Positions that every second block reads, the token's own among them; default: all."""
    qk_norm: bool = False
    """RMSNorm of each query and key head, before the rotary embeddings."""
    tie_embeddings: bool = True
    """The output head shares the token embedding's matrix."""

    @model_validator(mode="after")
    def _shapes_fit(self) -> GPTConfig:
        if self.head_dim is None and self.n_embd % self.n_head:
            divisors = [n for n in range(1, self.n_embd + 1) if self.n_embd % n == 0]
            nearest = min(divisors, key=lambda n: abs(n - self.n_head))
            raise ConfigError(
                f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}",
                hint=f"try n_head={nearest}",
            )
        if self.n_head % self.kv_heads:
            raise ConfigError(
                f"n_head {self.n_head} is not divisible by n_kv_head {self.n_kv_head}",
                hint="each key head is used by the same number of query heads",
            )
        if self.position == "rope" and self.head_width % 2:
            raise ConfigError(
                f"rotary positions need an even head width, found {self.head_width}",
                hint="choose n_embd / n_head, or head_dim, even",
            )
        return self

    @property
    def kv_heads(self) -> int:
        """Number of key and value heads."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def mlp_width(self) -> int:
        """Hidden width of the MLP."""
        if self.mlp_dim is not None:
            return self.mlp_dim
        if self.mlp != "swiglu":
            return 4 * self.n_embd
        return 64 * math.ceil(self.n_embd * 8 / 3 / 64)


ModelConfig = GPTConfig
"""The original's name for the model's settings."""


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
    """Validation tokens per evaluation, always the same ones; none: the whole split."""
    early_stopping_patience: Positive | None = None
    """Evaluations without a better loss after which training stops; none: never."""
    checkpoint_interval: Positive = 500
    """Steps between checkpoints."""
    keep_checkpoints: Positive = 2
    """Number of newest checkpoints to keep."""
    keep: Literal["newest", "ladder"] = "newest"
    """ladder: besides the newest checkpoints, the weights after 10, 20, 30, 50, 70, 100, ... steps."""
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
    block_size: ContextLength = Field(default=DEFAULT_BLOCK_SIZE, exclude=True)
    """The original's name in this group for the model's block_size."""

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


class DataConfig(SettingsGroup):
    """The source of the text, and its conversion to token ids."""

    source: PathText = DEFAULT_SOURCE
    """`builtin`, `builtin:easy`, a Hugging Face dataset's name, a file, or a folder of files."""
    tokenizer: PathText = "gpt2-8k"
    """gpt2-8k, gpt2, bpe:SIZE, bytes, chars, or a saved tokenizer's path."""
    data_dir: PathText = "data"
    """The prepared data directory."""
    limit: Positive | None = None
    """Maximum number of training stories; none: all (builtin: 20,000)."""
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Fraction of the stories held out if the source has no validation split."""
    corpus_seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Determines the stories that are held out, and the text of the built-in corpus."""


GROUPS: dict[str, type[SettingsGroup]] = {
    "model": GPTConfig,
    "train": TrainingConfig,
    "data": DataConfig,
}


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run, and where each one came from.

    `origins` maps `group.key` to an origin; a missing key is a built-in default. `train.block_size`
    always equals `model.block_size` and is not saved.
    """

    model: GPTConfig
    train: TrainingConfig
    data: DataConfig
    origins: Mapping[str, Origin]
    started_in: str | None = None
    """The directory that the relative paths of a saved run refer to, as seen from the run's."""
    parent: Parent | None = None
    """What is known of the model that `train.init_from` names."""

    def __post_init__(self) -> None:
        if self.train.block_size != self.model.block_size:
            agreeing = self.train.changed(block_size=self.model.block_size)
            object.__setattr__(self, "train", agreeing)

    def origin_of(self, name: str) -> Origin:
        """Where the value of a setting, named `group.key`, came from."""
        return self.origins.get(name, DEFAULT)

    def value_of(self, name: str) -> Any:
        """The value of a setting, named `group.key`."""
        group, _, key = name.partition(".")
        return getattr(getattr(self, group), key)

    def with_values(
        self, values: Mapping[str, Any], origin: Origin | Mapping[str, Origin]
    ) -> RunConfig:
        """A copy with other values of some settings.

        Args:
            values: `group.key` to value.
            origin: of all these values, or of each by its name.

        Raises:
            ConfigError: a value is invalid.
        """
        if not values:
            return self
        given = dict.fromkeys(values, origin) if isinstance(origin, Origin) else origin
        origins = {k: v for k, v in self.origins.items() if k not in values}
        origins |= {k: given[k] for k in values if k in given}
        groups: dict[str, dict[str, Any]] = {
            name: dict(getattr(self, name).__dict__) for name in GROUPS
        }
        for name, value in values.items():
            group, _, key = name.partition(".")
            groups[group][key] = value
        return replace(
            self,
            model=GPTConfig(**groups["model"]),
            train=TrainingConfig(**groups["train"]),
            data=DataConfig(**groups["data"]),
            origins={k: v for k, v in origins.items() if v.kind is not OriginKind.DEFAULT},
        )

    def to_json(self) -> dict[str, Any]:
        """The settings and their origins as JSON data."""
        return {
            "format": CONFIG_FORMAT,
            "version": CONFIG_VERSION,
            **{name: getattr(self, name).model_dump(mode="json") for name in GROUPS},
            "origins": {name: origin.to_text() for name, origin in sorted(self.origins.items())},
            **({} if self.started_in is None else {"started_in": self.started_in}),
            **({} if self.parent is None else {"parent": self.parent.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Any, *, where: str) -> RunConfig:
        """Read the data that `to_json` returned.

        Args:
            data: parsed JSON.
            where: the file it came from, for error messages.

        Raises:
            CheckpointError: not a configuration, an unknown version, or an invalid value.
        """
        if not isinstance(data, dict) or data.get("format") != CONFIG_FORMAT:
            raise CheckpointError(f"{where} does not hold the settings of a run")
        if not is_readable_version(data.get("version")):
            raise CheckpointError(
                f"{where} has settings of version {shown(data.get('version'))}, "
                f"this program reads versions up to {CONFIG_VERSION}",
                hint="use the version of slm that wrote it",
            )
        groups: dict[str, Any] = {name: data.get(name) for name in GROUPS}
        origins = read_origins(data.get("origins", {}))
        if origins is None:
            raise CheckpointError(f"{where}: {BAD_ORIGINS}")
        started_in = data.get("started_in")
        if not isinstance(started_in, str | None):
            raise CheckpointError(f"{where}: started_in is not a path")
        parent = None if data.get("parent") is None else Parent.from_json(data["parent"])
        if parent is None and data.get("parent") is not None:
            raise CheckpointError(f"{where}: parent does not describe a model")
        for name, values in groups.items():
            if not isinstance(values, dict):
                raise CheckpointError(f"{where} lacks the settings of {name!r}")
            for key in values.keys() & GROUPS[name].model_fields.keys():
                if key not in GROUPS[name].setting_names():
                    same = SAME_SETTING[f"{name}.{key}"]
                    raise CheckpointError(f"{where}: {name}.{key} is saved as {same}")
        try:
            built: dict[str, Any] = {
                name: GROUPS[name](**{**BEFORE.get(name, {}), **values})
                for name, values in groups.items()
            }
        except (ConfigError, TypeError) as error:
            raise CheckpointError(f"{where}: {error}") from None
        return cls(**built, origins=origins, started_in=started_in, parent=parent)


def is_readable_version(version: Any) -> bool:
    """Whether settings of this format version can be read."""
    return type(version) is int and version in READABLE_VERSIONS


BAD_ORIGINS = "origins must map names of settings to strings"


def read_origins(data: Any) -> dict[str, Origin] | None:
    """The origins of a `RunConfig` in JSON data; None if they are invalid.

    Names of settings are those of today, also where the data have older ones.
    """
    if not isinstance(data, Mapping) or not all(isinstance(text, str) for text in data.values()):
        return None
    now = old_names()
    return {now.get(str(name), str(name)): Origin.from_text(text) for name, text in data.items()}


def old_names() -> dict[str, str]:
    """Earlier names of settings, as `group.key`, and their names now."""
    return {
        f"{group}.{old}": f"{group}.{renamed.name}"
        for group, kind in GROUPS.items()
        for old, renamed in kind.old_names.items()
    }


def get_default_configs() -> tuple[GPTConfig, TrainingConfig]:
    """The original's model and training settings: 6 layers, 6 heads, width 384, context 256."""
    return GPTConfig(), TrainingConfig()
