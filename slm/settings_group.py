"""Groups of settings that are frozen and validated, and what is said of a wrong value."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from slm.errors import ConfigError, did_you_mean, shown

LONGEST_PATH = 4096


def _usable_in_a_path(text: str) -> str:
    """Refuse what no system takes as the name of a file, folder or data set."""
    if not text.strip():
        raise ValueError("must not be empty")
    if "\0" in text:
        raise ValueError("must not hold a null character")
    if len(text) > LONGEST_PATH:
        raise ValueError(f"must have at most {LONGEST_PATH:,} characters, not {len(text):,}")
    return text


PathText = Annotated[str, AfterValidator(_usable_in_a_path)]


class SettingsGroup(BaseModel):
    """A frozen group of settings whose mistakes are `ConfigError`s with a hint."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _booleans_are_no_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("must not be true or false")
        return value

    @classmethod
    def setting_names(cls) -> list[str]:
        """The names of the group's settings; a field that is not saved repeats another group's."""
        return [key for key, field in cls.model_fields.items() if not field.exclude]

    if not TYPE_CHECKING:  # type checkers see the precise signature that pydantic makes

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _explain(type(self), error) from None

        def __setattr__(self, name: str, value: Any) -> None:
            raise ConfigError(
                f"{type(self).__name__}.{name} cannot be changed in place",
                hint=f"make a copy that has it: config = config.changed({name}=...)",
            )

    def changed(self, **values: Any) -> Any:
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
    if not first["loc"]:  # a name that is no valid Unicode
        return ConfigError(f"{group.__name__}: {problem}, found {shown(first['input'])}")
    rules = _rules(group, str(first["loc"][0]))
    if first["type"] in _BEYOND_BOUNDS:
        problem = f"must be {_bounds(rules)}"
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


_WHAT_IT_TAKES = "`slm presets --settings` tells what every setting takes"
_BEYOND_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def _rules(group: type[BaseModel], key: str) -> dict[str, Any]:
    """What JSON Schema says of a setting's values, but that there may be none."""
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
