"""Reads the text of a cell as the value of a link's field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import orjson

from admin_api.bulk_links.import_settings import REFERENCES
from admin_api.configuration import LINKS
from tracking.runtime import FieldError

_TRUE = ("true", "yes", "1", "active", "on")
_FALSE = ("false", "no", "0", "inactive", "off")
# Stands for a field that the row says nothing about.
NOTHING = object()


def cell_value(field: str, text: str, tag_separator: str = ",", active_words: tuple[str, ...] = ()) -> Any:
    """Return the value of a cell, or NOTHING for an empty cell of a field that cannot be null. Raises FieldError."""
    if not text.strip():
        return _EMPTY.get(field, NOTHING)
    if field == "tags":
        return [tag for tag in (part.strip() for part in text.split(tag_separator)) if tag]
    if field == "active" and active_words:
        return text.strip().lower() in active_words
    reader = _READERS.get(field)
    return text if reader is None else reader(text.strip(), field)


def _number(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise FieldError(field, f"{field} must be a whole number")
    return int(text)


def _flag(text: str, field: str) -> bool:
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise FieldError(field, f"{field} must be true or false")


def _json(text: str, field: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FieldError(field, f"{field} must be JSON: {error}") from None


def _kinds(annotation: Any) -> set[Any]:
    """Return the plain types that a field may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*(_kinds(part) for part in get_args(annotation)))
    return {origin or annotation}


_KINDS = {field.alias or name: _kinds(field.annotation) for name, field in LINKS.fields.model_fields.items()}
_BY_KIND: Mapping[Any, Callable[[str, str], Any]] = {int: _number, bool: _flag}
_READERS: dict[str, Callable[[str, str], Any]] = {
    "link_id": _number,
    **{
        name: next((_BY_KIND[kind] for kind in kinds if kind in _BY_KIND), _json)
        for name, kinds in _KINDS.items()
        if str not in kinds
    },
}
# What an empty cell means: null where a field may be null, an empty list, or empty text.
_EMPTY: dict[str, Any] = {
    **{name: [] for name, kinds in _KINDS.items() if list in kinds},
    **{name: "" for name, kinds in _KINDS.items() if kinds == {str}},
    **{name: None for name, kinds in _KINDS.items() if type(None) in kinds and name not in LINKS.generated},
    **{name: None for name in REFERENCES if name != "merchant"},
}
# A link always leads somewhere.
_EMPTY.pop("destination_url")
