"""The base classes of all objects that the admin API reads or shows. Every object has one class.

Validation, error messages, documentation and the OpenAPI document all come from these classes and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

Row = TypeVar("Row")
# The values of a body by the names that a client uses, which are also the names of columns.
Values = dict[str, Any]


class Body(BaseModel):
    """A request body. Nothing is converted: a number in quotes is text. An unknown field is an error."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_enum_values=True,
        validate_default=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )

    def values(self) -> Values:
        """Return every field, with defaults for those that the client left out."""
        return self.model_dump(by_alias=True)

    def changes(self) -> Values:
        """Return only the fields that the client sent."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Shown(BaseModel):
    """A response body. It serves every declared field and no other, so no field has a default."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, use_attribute_docstrings=True, serialize_by_alias=True, validate_by_name=True
    )

    @classmethod
    def of(cls, row: Any, **more: Any) -> Self:
        """Return the object that shows a database row or another mapping, together with the added values."""
        return cls.model_validate({**row, **more})

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return the object that stored JSON describes. A field that an older release did not store is null."""
        missing = {name: None for name, field in cls.model_fields.items() if (field.alias or name) not in stored}
        return cls.model_validate({**missing, **stored})


class Page(Shown, Generic[Row]):
    """One page of a list. Send `next_cursor` as `cursor` to read on; null means that this is the last page."""

    items: list[Row]
    next_cursor: str | None


def changes_of(fields: type[Body], never_null: tuple[str, ...] = (), only: tuple[str, ...] | None = None) -> type[Body]:
    """Return the class of a PATCH body. It has the same fields, or `only` some, and each may be left out.

    `never_null` names fields for which a new object may give null to have a value generated. A change may not.
    """
    optional: Any = {
        name: (
            _without_null(field.annotation) if name in never_null else _declared_type(field),
            # This is a factory, since the document would show a default, which would read like a stored value.
            Field(
                default_factory=lambda: None, validate_default=False, alias=field.alias, description=field.description
            ),
        )
        for name, field in fields.model_fields.items()
        if only is None or name in only
    }
    changes: type[Body] = create_model(
        fields.__name__.removesuffix("Fields") + "Changes",
        __base__=Body,
        __doc__="The fields to change. What is left out stays as it is.",
        **optional,
    )
    return changes


def shown_of(name: str, fields: type[Body], before: dict[str, Any], after: dict[str, Any], text: str) -> type[Shown]:
    """Return the class that shows an object. It has `before`, then the fields without their rules, then `after`.

    `before` and `after` give types by name; a type may be `Annotated[..., Field(description=...)]`.
    """
    plain: Any = {
        each: (_plain(field.annotation), Field(alias=field.alias, description=field.description))
        for each, field in fields.model_fields.items()
    }
    declared = {
        **{each: (type_, ...) for each, type_ in before.items()},
        **plain,
        **{each: (type_, ...) for each, type_ in after.items()},
    }
    shown: type[Shown] = create_model(name, __base__=Shown, __doc__=text, **declared)
    return shown


def _declared_type(field: FieldInfo) -> Any:
    """Return a field's type with its rules, which pydantic keeps beside the type."""
    declared: Any = field.annotation
    for rule in field.metadata:
        declared = Annotated[declared, rule]
    return declared


def _without_null(annotation: Any) -> Any:
    kept = tuple(part for part in get_args(annotation) if part is not type(None))
    return Union[kept]  # noqa: UP007 - built from a tuple


def _plain(annotation: Any) -> Any:
    """Return a type without its rules, since values that were stored under older rules are still shown."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plain(parts[0])
    if origin in (list, dict):
        return origin[tuple(_plain(part) for part in parts)]
    if origin is not None and type(None) in parts:
        return Union[tuple(_plain(part) for part in parts)]  # noqa: UP007 - built from a tuple
    return annotation
