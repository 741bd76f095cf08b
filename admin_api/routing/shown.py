"""How stored rules are shown: the classes that a client sends, as classes without rules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import Field, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from admin_api.http import Body, Shown


class _Stored(Shown):
    """An object within stored JSON. What is not stored has its default."""

    usual: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, stored: Any) -> Any:
        return {**cls.usual, **stored} if isinstance(stored, Mapping) else stored


@cache
def shown_like(fields: type[Body]) -> type[Shown]:
    """Return the class that shows what a body of this class stored, which may have been stored under older rules."""
    declared: Any = {
        name: (_shown_type(field.annotation), Field(alias=field.alias, description=field.description))
        for name, field in fields.model_fields.items()
    }
    name = fields.__name__.removesuffix("Fields")
    shown = create_model(name, __base__=_Stored, __doc__=fields.__doc__, **declared)
    shown.usual = {
        field.alias or name: None if default is PydanticUndefined else default
        for name, field in fields.model_fields.items()
        for default in [field.get_default(call_default_factory=True)]
        if not field.is_required()
    }
    return shown


def _shown_type(annotation: Any) -> Any:
    """Return a type without its rules, with the classes of bodies replaced by those that show them."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        told_by = next((rule.discriminator for rule in parts[1:] if isinstance(rule, FieldInfo)), None)
        plain = _shown_type(parts[0])
        return Annotated[plain, Field(discriminator=told_by)] if told_by else plain
    if isinstance(annotation, type) and origin is None:
        return shown_like(annotation) if issubclass(annotation, Body) else annotation
    if origin in (list, dict):
        return origin[tuple(map(_shown_type, parts))]
    if any(_shown_type(part) is not part for part in parts):
        return Union[tuple(map(_shown_type, parts))]  # noqa: UP007 - built from a tuple
    return annotation
