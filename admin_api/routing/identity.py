"""The numbers of rules, destinations and caps: given once, kept as long as a client sends them back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from admin_api.http import InvalidFieldsError
from admin_api.runtime import Database
from tracking.runtime import FieldError

Known = Collection[tuple[str, int]]


class Numbered(NamedTuple):
    """A rule, a destination or a cap within a document, and the name of its number."""

    path: str
    name: str
    entry: dict[str, Any]


def numbered(document: Mapping[str, Any], within: str = "") -> Iterator[Numbered]:
    """Yield every rule, destination and cap of a rule document, or of a rotation."""
    for key, name in (("rules", "rule_id"), ("destinations", "destination_id"), ("caps", "cap_id")):
        for index, entry in enumerate(document.get(key) or ()):
            path = f"{within}{key}[{index}]"
            yield Numbered(path, name, entry)
            yield from numbered(entry, f"{path}.")


def check_numbers(document: dict[str, Any], known: Known, within: str = "") -> dict[str, Any]:
    """Return a document whose numbers are those that its owner has or ever had, each of them once.

    Raises InvalidFieldsError for a number that belongs to something else, or that is there twice.
    """
    seen: set[tuple[str, int]] = set()
    errors = []
    for path, name, entry in numbered(document, within):
        number = entry.get(name)
        if number is None:
            continue
        field = f"{path}.{name}"
        if (name, number) not in known:
            said = f"{field} is not a number that was given here; leave it out, and a new one is given"
            errors.append(FieldError(field, said))
        elif (name, number) in seen:
            errors.append(FieldError(field, f"{field} is there twice"))
        seen.add((name, number))
    if errors:
        raise InvalidFieldsError(errors)
    return document


def with_numbers(database: Database, document: Mapping[str, Any], known: Known, within: str = "") -> dict[str, Any]:
    """Return a document in which everything has its number. Raises what `check_numbers` does."""
    complete = check_numbers(deepcopy(dict(document)), known, within)
    new = [each for each in numbered(complete, within) if each.entry.get(each.name) is None]
    if new:
        rows = database.execute("select nextval('routing_ids') as number from generate_series(1, %s)", [len(new)])
        for each, row in zip(new, rows, strict=True):
            each.entry[each.name] = row["number"]
    return complete


def numbers_of(documents: Collection[Mapping[str, Any]]) -> set[tuple[str, int]]:
    """Return the numbers in some documents."""
    return {
        (each.name, each.entry[each.name])
        for document in documents
        for each in numbered(document)
        if each.entry.get(each.name) is not None
    }
