"""Where in a body an error is, as the client wrote the body: `columns.date`, `rules[0].conditions[1].values[2]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

_SHOWN_CHARACTERS = 64


class Location(NamedTuple):
    """The path of a value, and the class of the object that it stands in, if that is known."""

    path: str
    within: type[BaseModel] | None


def locate(parts: Sequence[str | int], model: type[BaseModel]) -> Location:
    """Return the location that pydantic gives as `parts`.

    Where an object may be of several classes, pydantic names the class that its tag chose. That is not in the path.
    """
    path, kind = "", [model]
    within: type[BaseModel] | None = None
    for part in parts:
        models = [each for each in kind if _is_model(each)]
        if len(models) > 1:
            chosen = [each for each in models if part in _tags(each)]
            if chosen:
                kind = chosen
                continue
        within = models[0] if len(models) == 1 and isinstance(part, str) else None
        kind = list(_inner(kind, part))
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part[:_SHOWN_CHARACTERS]}" if path else part[:_SHOWN_CHARACTERS]
    return Location(path, within)


def _inner(kinds: Sequence[Any], part: str | int) -> Iterator[Any]:
    """Yield the types of what stands in objects of some types under a name or a number."""
    for kind in kinds:
        if _is_model(kind):
            for name, field in kind.model_fields.items():
                if part == (field.alias or name):
                    yield from _alternatives(field.annotation)
        elif isinstance(part, int) == (get_origin(kind) is list) and get_origin(kind) in (list, dict):
            yield from _alternatives(get_args(kind)[-1])


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the types that a type may stand for, without rules."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _alternatives(parts[0])
    elif origin in (list, dict, Literal) or not parts:
        yield annotation
    else:
        for part in parts:
            yield from _alternatives(part)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tags(model: type[BaseModel]) -> set[Any]:
    """Return the words that tell a class from the others."""
    return {
        word
        for field in model.model_fields.values()
        if get_origin(field.annotation) is Literal and field.is_required()
        for word in get_args(field.annotation)
    }
