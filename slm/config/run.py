"""All settings of a run: the three groups, the origin of each value, and their form in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slm.config.data import DataConfig
from slm.config.group import SettingsGroup
from slm.config.model import GPTConfig
from slm.config.model_record import ModelRecord
from slm.config.origins import DEFAULT, Origin, OriginKind
from slm.config.training import TrainingConfig
from slm.errors import CheckpointError, ConfigError, shown

CONFIG_FORMAT = "slm-config"
CONFIG_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 has old names of settings, and origins as sentences."""
BEFORE = {"train": {"shift_windows": False}}
"""Values of settings in saved runs that are older than the settings, where they are not the
defaults: such a run continues as it began."""
SAME_SETTING = {"train.block_size": "model.block_size"}
"""Settings that the original has in two groups, and the ones that have an effect here."""

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
    parent: ModelRecord | None = None
    """What is known of the model that `train.init_from` names."""
    teacher_models: tuple[ModelRecord, ...] = ()
    """What is known of the models that `train.teachers` names."""

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
            **(
                {"teacher_models": [record.to_json() for record in self.teacher_models]}
                if self.teacher_models
                else {}
            ),
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
        parent = None if data.get("parent") is None else ModelRecord.from_json(data["parent"])
        if parent is None and data.get("parent") is not None:
            raise CheckpointError(f"{where}: parent does not describe a model")
        teacher_models = _read_teachers(data.get("teacher_models", []), where)
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
        return cls(
            **built,
            origins=origins,
            started_in=started_in,
            parent=parent,
            teacher_models=teacher_models,
        )


def _read_teachers(data: Any, where: str) -> tuple[ModelRecord, ...]:
    found = [ModelRecord.from_json(record) for record in data] if isinstance(data, list) else [None]
    teachers = tuple(record for record in found if record is not None)
    if len(teachers) < len(found):
        raise CheckpointError(f"{where}: teacher_models does not describe models")
    return teachers


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
