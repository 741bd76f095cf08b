"""Reads what a client sent into the declared classes, and names every wrong field at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import falcon
from pydantic import BaseModel, ValidationError

from admin_api.http.errors import BodyError, InvalidFieldsError
from admin_api.http.locations import locate
from tracking.runtime import FieldError

Model = TypeVar("Model", bound=BaseModel)

BODY_BYTES_MAX = 64 * 1024
FIELD_ERRORS_MAX = 50
# pydantic's messages in the words of JSON. {field} is the field's name; the other names are pydantic's.
_SENTENCES = {
    "missing": "{field} is required",
    "string_type": "{field} must be text in double quotes",
    "string_too_short": "{field} must have at least {min_length} characters",
    "string_too_long": "{field} must have at most {max_length} characters",
    "int_type": "{field} must be a whole number",
    "int_from_float": "{field} must be a whole number",
    "int_parsing": "{field} must be a whole number",
    "int_parsing_size": "{field} is too large a number",
    "float_type": "{field} must be a number",
    "finite_number": "{field} must be a finite number",
    "bool_type": "{field} must be true or false",
    "greater_than_equal": "{field} must be at least {ge}",
    "less_than_equal": "{field} must be at most {le}",
    "multiple_of": "{field} must be a multiple of {multiple_of}",
    "literal_error": "{field} must be one of {expected}",
    "enum": "{field} must be one of {expected}",
    "list_type": "{field} must be a list",
    "dict_type": "{field} must be an object",
    "too_short": "{field} must have at least {min_length} entries",
    "too_long": "{field} must have at most {max_length} entries",
    "date_parsing": "{field} must be a day such as 2026-10-31",
    "date_from_datetime_parsing": "{field} must be a day such as 2026-10-31",
    "date_from_datetime_inexact": "{field} must be a day such as 2026-10-31",
    "date_type": "{field} must be a day such as 2026-10-31",
    "union_tag_not_found": "{field} needs the field {discriminator}",
    "union_tag_invalid": "{field} has an unknown {discriminator}; it must be one of {expected_tags}",
    "uuid_type": "{field} must be a UUID",
    "uuid_parsing": "{field} must be a UUID",
}
_CODES = {"missing": "missing-field", "extra_forbidden": "unknown-field"}


def decode_body(req: falcon.Request, model: type[Model], *, required: bool = True) -> Model:
    """Return the JSON body as an object of a class. If the body is not `required`, an empty one counts as `{}`.

    Raises BodyError, InvalidFieldsError, or Falcon's errors if the body is too large or its type is not JSON.
    """
    length = req.content_length
    if (length or 0) > BODY_BYTES_MAX:
        raise falcon.HTTPContentTooLarge(description=f"the body is larger than {BODY_BYTES_MAX} bytes")
    if not required and not length:
        return decode_json(b"{}", model)
    media_type = (req.content_type or "").partition(";")[0].strip().lower()
    if media_type and media_type != falcon.MEDIA_JSON:
        raise falcon.HTTPUnsupportedMediaType
    return decode_json(req.bounded_stream.read(BODY_BYTES_MAX), model)


def decode_json(data: bytes, model: type[Model], within: str = "", source: str = "the body") -> Model:
    """Return JSON as an object of a class. `within` is put before field names; `source` is what errors call the JSON.

    Raises BodyError or InvalidFieldsError.
    """
    if not data.strip():
        raise BodyError(f"{source} is empty; send one JSON object")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise _refusal(error, model, within, source) from error


def decode_values(values: Mapping[str, Any], model: type[Model]) -> Model:
    """Return values in the types of JSON as an object of a class, or raise InvalidFieldsError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, model, source="the object") from error


def decode_query(req: falcon.Request, model: type[Model]) -> Model:
    """Return the parameters of a query as an object of a class, or raise InvalidFieldsError."""
    try:
        return model.model_validate(req.params)
    except ValidationError as error:
        raise _refusal(error, model) from error


def _refusal(
    error: ValidationError, model: type[BaseModel], within: str = "", source: str = "the query"
) -> BodyError | InvalidFieldsError:
    found = error.errors(include_url=False)
    for each in found:
        if each["type"] == "json_invalid":
            return BodyError(f"{source} is not JSON: {each['ctx']['error']}")
        if not each["loc"] and each["type"] in ("model_type", "model_attributes_type"):
            return BodyError(f"{source} must be one JSON object")
    return InvalidFieldsError(list(_field_errors(found[:FIELD_ERRORS_MAX], model, within)))


def _field_errors(found: Sequence[Any], model: type[BaseModel], within: str) -> Iterator[FieldError]:
    for each in found:
        kind, context = each["type"], each.get("ctx", {})
        place = locate(each["loc"], model)
        field = within + (place.path or str(context.get("field", "")))
        if kind == "refused":
            message, code = _said(context, field), str(context["code"])
        elif kind == "extra_forbidden":
            message, code = _unknown(field, place.within), _CODES[kind]
        else:
            sentence = _SENTENCES.get(kind)
            message = sentence.format(field=field, **context) if sentence else f"{field}: {each['msg']}"
            code = _CODES.get(kind, FieldError.code)
        if each["input"] is None and kind != "missing":
            message = f"{field} must not be null; leave it out"
        yield FieldError(field, message, code=code)


def _said(context: Mapping[str, str], field: str) -> str:
    """Return a rule's message with the field's name as the client writes it. A rule only knows the class's name."""
    said, named = context["said"], context.get("named", field)
    return field + said.removeprefix(named) if said.startswith(f"{named} ") else said


def _unknown(field: str, within: type[BaseModel] | None) -> str:
    """Return the message for an unknown name. It lists the names of the object that the name stands in."""
    if within is None:
        return f"{field} cannot be set"
    known = ", ".join(each.alias or name for name, each in within.model_fields.items())
    return f"{field} is not known here; the names are {known}" if known else f"{field} cannot be set; send {{}}"
