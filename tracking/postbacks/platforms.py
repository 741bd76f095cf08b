"""Affiliate platforms of merchants: the parameter in which each carries a partner's dynamic variable there and back.

Such a parameter takes no UUID, so a destination carries `{dyn}` in it. Pure data; an account names its platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Platform(NamedTuple):
    """`title` as its maker writes it; `parameter` carries the dynamic variable in links and comes back in postbacks."""

    title: str
    parameter: str


PLATFORMS: dict[str, Platform] = {
    "cellxpert": Platform("Cellxpert", "afp"),
    "myaffiliates": Platform("MyAffiliates", "payload"),
    "incomeaccess": Platform("Income Access", "c"),
}


def with_platform(own: Mapping[str, Sequence[str]], platform: str | None) -> dict[str, tuple[str, ...]]:
    """Return an account's own parameter names, with its platform's for the click id after them."""
    names = {field: tuple(given) for field, given in own.items()}
    known = PLATFORMS.get(platform or "")
    if known is not None and not any(known.parameter in given for given in names.values()):
        names["click_id"] = (*names.get("click_id", ()), known.parameter)
    return names


def link_parameter(platform: str) -> str:
    """Return what the destinations of a platform's merchant have in their query."""
    return f"{PLATFORMS[platform].parameter}={{dyn}}"
