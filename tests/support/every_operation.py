"""Every operation of the API, asked for by somebody: on an object that is given, without changing anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.rights import NEEDS, Need
from two_sources import TwoSources

_WORD = re.compile(r"\{(\w+)\}")
# An edit is of a revision that no object has, so it is refused where it would begin to change something.
NO_REVISION = '"999999999"'
# Operations on one object that belongs to a source, by the part of the path that names it.
OWNED_IDS = ("link_id", "click_id", "conversion_id", "payout_id", "outgoing_postback_id", "delivery_id", "source_id")
_ANY_UUID = str(UUID(int=7))


class Asked(NamedTuple):
    """An operation that was asked for, and the answer."""

    name: str
    need: Need
    status: int
    code: str
    answer: Any

    @property
    def is_about_an_owned_object(self) -> bool:
        return any(f"{{{owned}}}" in self.name for owned in OWNED_IDS)


def every_operation(world: TwoSources) -> list[str]:
    """Return method and path of every operation that needs a caller, as the API documents it."""
    paths = world.admin.request("GET", "/v1/openapi.json").json["paths"]
    return [
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, declared in methods.items()
        if declared.get("security") != []
    ]


def ask_everything(world: TwoSources, token: str, source_id: int) -> Iterator[Asked]:
    """Ask for every operation with a token, where it is about one object, for that of a source."""
    for name in every_operation(world):
        method, _, template = name.partition(" ")
        body = None if method in ("GET", "DELETE") else {}
        result = world.ask(token, method, path_of(template, world.owned[source_id]), body, If_Match=NO_REVISION)
        kind = result.headers.get("content-type", "")
        answer = result.json if kind.endswith(("/json", "+json")) and result.content else result.content
        code = answer.get("code", "") if isinstance(answer, dict) and result.status_code >= 400 else ""
        yield Asked(name, NEEDS.get(name, Need(frozenset(), partner=False)), result.status_code, code, answer)


def path_of(template: str, owned: dict[str, Any]) -> str:
    """Return a path for a template. Of what belongs to no source, any number is as good as another."""
    return _WORD.sub(lambda match: str(owned.get(match[1], _any(match[1]))), template)


def _any(name: str) -> str:
    return _ANY_UUID if name == "postback_id" else "ftd" if name == "event" else "1"
