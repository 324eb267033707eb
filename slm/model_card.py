"""What a user of a model should know, as its checkpoint says it: `card.json`.

The parts are those of Mitchell et al. 2019, "Model Cards for Model Reporting", in short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from slm.errors import did_you_mean, shown

FORMAT = "slm-card"
VERSION = 1
LONGEST = 2000
"""Characters of one entry."""
UNKNOWN = "unknown"
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+-]{0,63}")


@dataclass(frozen=True)
class ModelCard:
    """Sentences about a model; an empty one is not known."""

    name: str = ""
    summary: str = ""
    """What the model is for."""
    license: str = UNKNOWN
    """Of the weights, as an SPDX identifier."""
    data: str = ""
    """The text it was trained on, and the license of that text."""
    training: str = ""
    """How, how long and on which machine it was trained."""
    evaluation: str = ""
    """How good it is, and on which text that was measured."""
    limitations: str = ""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
                raise ValueError(
                    f"{entry.name} is not a line of at most {LONGEST:,} printable characters"
                )
        if not _LICENSE.fullmatch(self.license):
            raise ValueError(f"the license {shown(self.license)} is not an identifier such as MIT")

    @classmethod
    def of(cls, entries: Any) -> ModelCard:
        """A card of parsed JSON or TOML.

        Raises:
            ValueError: an entry is unknown or not a line of text.
        """
        known = cls.__dataclass_fields__
        if not isinstance(entries, Mapping):
            raise ValueError("a model card has entries with a name and a text")
        if odd := sorted(map(str, entries.keys() - known.keys())):
            near = did_you_mean(odd[0], list(known))
            raise ValueError(
                f"{shown(odd[0])} is not an entry of a model card: "
                f"{near or 'it has ' + ', '.join(known)}"
            )
        return cls(**entries)

    def to_json(self) -> dict[str, Any]:
        """The content of `card.json`."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> ModelCard:
        """Read what `to_json` returned.

        Raises:
            ValueError: it is something else, or of a later version.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError("it is not a model card")
        if data.get("version") != VERSION:
            raise ValueError(
                f"it has version {shown(data.get('version'))}, this program reads version {VERSION}"
            )
        return cls.of({key: data[key] for key in data if key not in ("format", "version")})

    def lines(self) -> dict[str, str]:
        """The entries that are known, by name."""
        return {name: text for name, text in asdict(self).items() if text}
