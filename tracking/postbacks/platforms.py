"""The affiliate platforms that merchants use, and the parameter that each has for a partner's dynamic variable.

Such a parameter takes no UUID, so a destination has `{dyn}` in it. Pure data; an account names its platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Platform(NamedTuple):
    """A platform: its name, and the parameter that has the dynamic variable in links and again in postbacks."""

    title: str
    parameter: str


PLATFORMS: dict[str, Platform] = {
    "cellxpert": Platform("Cellxpert", "afp"),
    "myaffiliates": Platform("MyAffiliates", "payload"),
    "incomeaccess": Platform("Income Access", "c"),
}


def with_platform(own: Mapping[str, Sequence[str]], platform: str | None) -> dict[str, tuple[str, ...]]:
    """Return an account's own parameter names, followed by its platform's name for the click id."""
    names = {field: tuple(given) for field, given in own.items()}
    known = PLATFORMS.get(platform or "")
    if known is not None and not any(known.parameter in given for given in names.values()):
        names["click_id"] = (*names.get("click_id", ()), known.parameter)
    return names


def link_parameter(platform: str) -> str:
    """Return the query parameter that the destinations of a platform's merchants need."""
    return f"{PLATFORMS[platform].parameter}={{dyn}}"
