"""Copies of rule documents for other links."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from admin_api.routing.identity import numbered


def without_numbers(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule document whose rules, destinations and caps are all new, as for a copy of a link."""
    copied = deepcopy(dict(document))
    for each in list(numbered(copied)):
        each.entry.pop(each.name, None)
    return copied
