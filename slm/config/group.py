"""Groups of settings that are frozen and validated, and the errors for invalid values."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from slm.errors import ConfigError, did_you_mean, shown

LONGEST_PATH = 4096


def _usable_in_a_path(text: str) -> str:
    """Reject text that no system accepts as the name of a file, folder or dataset."""
    if not text.strip():
        raise ValueError("must not be empty")
    if "\0" in text:
        raise ValueError("must not hold a null character")
    if len(text) > LONGEST_PATH:
        raise ValueError(f"must have at most {LONGEST_PATH:,} characters, not {len(text):,}")
    return text


PathText = Annotated[str, AfterValidator(_usable_in_a_path)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, le=10.0)]
ContextLength = Annotated[int, Field(ge=1, le=2**17)]


@dataclass(frozen=True)
class Renamed:
    """The current spelling of a setting that had another name."""

    name: str
    values: Mapping[Any, Any] = field(default_factory=dict)
    """Old values and what they are now; all others are unchanged."""


class SettingsGroup(BaseModel):
    """A frozen group of settings. Invalid values raise `ConfigError` with a hint."""

    old_names: ClassVar[Mapping[str, Renamed]] = {}
    """Names that settings had in earlier versions. They are read forever and never written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _booleans_are_not_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("must not be true or false")
        return value

    @classmethod
    def setting_names(cls) -> list[str]:
        """Names of the group's settings; a field that is not saved repeats another group's."""
        return [key for key, info in cls.model_fields.items() if not info.exclude]

    @classmethod
    def current(cls, key: str, value: Any) -> tuple[str, Any]:
        """A setting and its value in the current spelling."""
        renamed = cls.old_names.get(key)
        if renamed is None:
            return key, value
        is_old_value = isinstance(value, str) and value in renamed.values
        return renamed.name, renamed.values[value] if is_old_value else value

    if not TYPE_CHECKING:  # type checkers see the precise signature that pydantic makes

        def __init__(self, **values: Any) -> None:
            current: dict[str, Any] = {}
            for old, old_value in values.items():
                key, value = self.current(old, old_value)
                if key in current:
                    raise ConfigError(f"{type(self).__name__} has {key} under two names")
                current[key] = value
            try:
                super().__init__(**current)
            except ValidationError as error:
                raise _explain(type(self), error) from None

        def __setattr__(self, name: str, value: Any) -> None:
            raise ConfigError(
                f"{type(self).__name__}.{name} cannot be changed in place",
                hint=f"make a copy that has it: config = config.changed({name}=...)",
            )

    def changed(self, **values: Any) -> Self:
        """A copy with some settings changed and everything validated again."""
        return type(self)(**{**self.__dict__, **values})


def _explain(group: type[BaseModel], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(group.model_fields)
        return ConfigError(
            f"{group.__name__} has no setting {shown(key)}",
            hint=did_you_mean(key, group.model_fields) or f"known settings: {known}",
        )
    if first["type"] == "value_error":
        cause = first["ctx"]["error"]
        if isinstance(cause, ConfigError):
            return cause
        return ConfigError(
            f"{group.__name__}.{key}: {cause}, found {shown(first['input'])}",
            hint=_WHAT_IT_TAKES,
            setting=f"{group.__name__}.{key}",
        )
    problem, hint = first["msg"][0].lower() + first["msg"][1:], None
    if not first["loc"]:  # a name that is invalid Unicode
        return ConfigError(f"{group.__name__}: {problem}, found {shown(first['input'])}")
    rules = _rules(group, str(first["loc"][0]))
    if first["type"] in _BEYOND_BOUNDS:
        problem = f"must be {_bounds(rules)}"
    elif first["type"].startswith("bool_"):
        problem = "must be true or false"
    elif first["type"] == "tuple_type":
        problem = "input should be a list"
        hint = f"""for example {key}=["one", "two"], on a command line within '...'"""
    elif first["type"] == "literal_error":
        hint = did_you_mean(shown(first["input"]).strip("'"), rules["enum"])
    return ConfigError(
        f"{group.__name__}.{key}: {problem}, found {shown(first['input'])}",
        hint=hint or _WHAT_IT_TAKES,
        setting=f"{group.__name__}.{key}",
    )


_WHAT_IT_TAKES = "`slm presets --settings` lists the values of every setting"
_BEYOND_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def _rules(group: type[BaseModel], key: str) -> dict[str, Any]:
    """The JSON Schema of a setting's values, without the alternative `none`."""
    rules: dict[str, Any] = _schema(group)["properties"][key]
    return next((rule for rule in rules.get("anyOf", []) if rule.get("type") != "null"), rules)


@functools.cache
def _schema(group: type[BaseModel]) -> dict[str, Any]:
    return group.model_json_schema()


def _bounds(rules: Mapping[str, Any]) -> str:
    if rules.keys() >= {"minimum", "maximum"}:
        return f"from {_number(rules['minimum'])} to {_number(rules['maximum'])}"
    ends = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return " and ".join(
        f"{word} {_number(rules[end])}" for end, word in ends.items() if end in rules
    )


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
