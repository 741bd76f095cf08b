"""The dimensions of reports, each with its column in roll-ups and in the views of rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tracking.clicks import SUB_NAMES


class DimensionKind(StrEnum):
    """What the values of a dimension are: a part of the time, ids (0 for none), texts ('' for none), or a word."""

    TIME = "time"
    ID = "id"
    TEXT = "text"
    CLASS = "class"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension by its name in questions. `column` is that of rows and roll-ups; a part of the time has none.

    `characters_max` is how much of a text counts: texts that differ only behind it are one value.
    """

    name: str
    kind: DimensionKind
    column: str = ""
    characters_max: int = 0


def _id(name: str) -> Dimension:
    return Dimension(name, DimensionKind.ID, f"{name}_id")


def _text(name: str, characters_max: int, column: str = "") -> Dimension:
    return Dimension(name, DimensionKind.TEXT, column or name, characters_max)


# SECURITY: a key of an index has at most 2,704 bytes, a character up to four, and visitors choose most texts. A longer
# key would be refused, and the fold could not go on. So the texts of one group have at most 600 characters together.
_SUBS = tuple(_text(name, 500) for name in SUB_NAMES)
DIMENSIONS: Mapping[str, Dimension] = MappingProxyType(
    {
        dimension.name: dimension
        for dimension in (
            Dimension("day", DimensionKind.TIME),
            Dimension("hour", DimensionKind.TIME),
            Dimension("weekday", DimensionKind.TIME),
            _id("link"),
            _id("profile"),
            _id("merchant"),
            _id("source"),
            _id("rule"),
            _id("destination"),
            _text("country", 10),
            _text("region", 200),
            _text("city", 300),
            _text("device", 100),
            _text("os", 100),
            _text("browser", 100),
            _text("language", 100),
            _text("referrer", 300, "referrer_host"),
            *_SUBS,
            Dimension("class", DimensionKind.CLASS, "class"),
            Dimension("event", DimensionKind.EVENT, "event"),
        )
    }
)
