"""Filters of lists: one class for each list, whose fields carry the SQL condition that they stand for.

The same class reads a query and, where many objects are changed at once, the `filter` of a body. The conditions are
ours; what a client sends is only ever a parameter of the statement.
"""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

from psycopg import sql
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, field_validator
from pydantic.json_schema import JsonSchemaValue


class Condition(NamedTuple):
    """The SQL of a filter. The filter's value goes into the placeholder with its name, such as %(status)s."""

    sql: LiteralString


class Chosen(NamedTuple):
    """What a request asked for: conditions that must all hold, and their values."""

    conditions: list[sql.SQL]
    values: dict[str, Any]

    def where(self, *more: sql.Composable) -> sql.Composable:
        """Return the where clause with these and `more` conditions, or nothing where there are none."""
        conditions = [*self.conditions, *more]
        return sql.SQL("where {}").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL("")


class Query(BaseModel):
    """The parameters of a query. An undeclared name is refused, since a misspelt filter would show everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, use_enum_values=True)


class Filter(Query):
    """The filters of a list, each of which may be left out."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any) -> Any:
        # In a body, null would be no condition at all, and everything would be changed.
        if value is None:
            raise ValueError("must not be null")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, in which a filter may be left out but not be null."""
        schema = handler(core_schema)
        for declared in handler.resolve_ref_schema(schema).get("properties", {}).values():
            kinds = [kind for kind in declared.pop("anyOf", ()) if kind != {"type": "null"}]
            declared.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})
            if declared.get("default", ...) is None:
                del declared["default"]
        return schema

    def chosen(self, **usual: Any) -> Chosen:
        """Return the conditions and values of the given filters; `usual` are the values of those that were left out."""
        conditions: list[sql.SQL] = []
        values: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            condition = next((each for each in field.metadata if isinstance(each, Condition)), None)
            value = getattr(self, name) if name in self.model_fields_set else usual.get(name)
            if condition is not None and value is not None:
                conditions.append(sql.SQL(condition.sql))
                values[field.alias or name] = value
        return Chosen(conditions, values)

    def stated(self) -> dict[str, Any]:
        """Return the given filters as JSON, by the names that a client uses."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
