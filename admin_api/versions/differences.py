"""What differs between two versions of an object, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# What tells the entries of a list apart, so that each is compared with itself wherever it stands.
_IDENTITIES = ("rule_id", "destination_id", "cap_id")


class Difference(NamedTuple):
    """A value that changed. `field` is its path, such as `routing.rules[rule_id=4].name`; null is what is not there."""

    field: str
    before: Any
    after: Any


def differences(before: Any, after: Any, field: str = "") -> Iterator[Difference]:
    """Yield what differs between two JSON values, as deep down as both have the same names or identities."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            path = f"{field}.{name}" if field else name
            yield from differences(before.get(name), after.get(name), path)
        return
    identity = next((name for name in _IDENTITIES if _all_have(name, before) and _all_have(name, after)), None)
    if identity is None:
        yield Difference(field, before, after)
        return
    yield from _of_entries(before, after, field, identity)


def _of_entries(before: Any, after: Any, field: str, identity: str) -> Iterator[Difference]:
    old, new = ({entry[identity]: entry for entry in entries} for entries in (before, after))
    for key in dict.fromkeys([*old, *new]):
        yield from differences(old.get(key), new.get(key), f"{field}[{identity}={key}]")
    kept = [key for key in old if key in new]
    moved = [key for key in new if key in old]
    if kept != moved:
        yield Difference(f"{field} in order", list(old), list(new))


def _all_have(name: str, entries: Any) -> bool:
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(isinstance(entry, Mapping) and name in entry for entry in entries)
    )
