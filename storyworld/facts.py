"""The facts of a story, as data: the ground truth for questions about its text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CharacterFacts:
    """One character who is named or described in the text."""

    name: str
    kind: str
    role: str
    traits: tuple[str, ...]
    want: str | None


@dataclass(frozen=True, slots=True)
class FeelingFacts:
    """Who felt what, and why."""

    who: str
    feeling: str
    cause: str


@dataclass(frozen=True, slots=True)
class StoryFacts:
    """Who, where, when, what, why and how it ended."""

    plot: str
    characters: tuple[CharacterFacts, ...]
    place: str
    time: str | None
    weather: str | None
    objects: tuple[str, ...]
    problem: str
    cause: str
    attempts: tuple[str, ...]
    outcome: str
    feelings: tuple[FeelingFacts, ...]
    moral: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and strings, ready for `json.dumps`."""
        return _jsonable(asdict(self))  # type: ignore[no-any-return]


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value
