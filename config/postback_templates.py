"""The templates of outgoing postbacks that Waypost brings along (postback_templates.toml), filled with account
values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tracking.runtime import FieldError

TEMPLATES_FILE = Path(__file__).with_suffix(".toml")
KINDS = ("traffic-source", "network", "tracker")
_ACCOUNT_VALUE = re.compile(r"<([a-z][a-z0-9_]*)>")
_VALUE_CHARACTERS_MAX = 200


class PostbackTemplate(NamedTuple):
    """How one partner takes conversions. `account_values` are the placeholders for the operator's account there."""

    template: str
    name: str
    kind: str
    url: str
    click_id_macro: str
    source: str
    account_values: tuple[str, ...]


@lru_cache(maxsize=1)
def postback_templates() -> Mapping[str, PostbackTemplate]:
    """Return all templates by their key, in alphabetical order."""
    with TEMPLATES_FILE.open("rb") as file:
        entries = tomllib.load(file)
    return {
        key: PostbackTemplate(template=key, **entry, account_values=_account_values(entry["url"]))
        for key, entry in sorted(entries.items())
    }


def fill_template(template: PostbackTemplate, values: object) -> str:
    """Return the URL of a template with the operator's account values in it. Raises FieldError if one is missing."""
    field = "template_values"
    needed = ", ".join(template.account_values) or "none"
    if not isinstance(values, dict) or set(values) != set(template.account_values):
        raise FieldError(
            field, f"{field} must be an object with exactly these of your {template.name} account: {needed}"
        )
    for name, value in values.items():
        if not isinstance(value, str) or not 1 <= len(value) <= _VALUE_CHARACTERS_MAX:
            raise FieldError(field, f"{field}: {name} must be text of 1 to {_VALUE_CHARACTERS_MAX} characters")
    return _ACCOUNT_VALUE.sub(lambda found: quote(values[found[1]], safe=""), template.url)


def _account_values(url: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_ACCOUNT_VALUE.findall(url)))
