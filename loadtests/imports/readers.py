"""Both ways to read a row into a typed object under the same rules. Each returns the object, or the fields at fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from admin_api.configuration import LINKS
from admin_api.http import InvalidFieldsError, decode_json
from tracking.clicks import compile_template
from tracking.runtime import FieldError

# A row's object, or the names of the fields that cannot be accepted.
Outcome = object | tuple[str, ...]
_SLUG = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_with_pydantic(row: bytes) -> Outcome:
    """Read a row with the class that the API itself uses."""
    try:
        return decode_json(row, LINKS.new)
    except InvalidFieldsError as error:
        return tuple(str(each.field) for each in error.errors)


def msgspec_reader() -> Callable[[bytes], Outcome]:
    """Return a reader of the same fields and rules, written for msgspec. Raises ImportError where it is missing."""
    import msgspec

    text = Annotated[str, msgspec.Meta(max_length=500)]
    object_id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    optional = {f"sub{number}": text | None for number in range(1, 11)}

    def check(link: Any) -> None:
        for value in (link.name, *(getattr(link, name) for name in optional)):
            if value is not None and _CONTROL.search(value):
                raise FieldError("name", "a control character")
        if link.slug is not None and not _SLUG.fullmatch(link.slug):
            raise FieldError("slug", "slug cannot be used")
        compile_template(link.destination_url, "destination_url")

    link_class = msgspec.defstruct(
        "Link",
        [
            ("merchant_id", object_id),
            ("destination_url", str),
            ("name", Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None, None),
            ("profile_id", object_id | None, None),
            ("source_id", object_id | None, None),
            ("plan_id", object_id | None, None),
            ("slug", str | None, None),
            ("active", bool, True),
            *((name, kind, None) for name, kind in optional.items()),
        ],
        namespace={"__post_init__": check},
        forbid_unknown_fields=True,
        kw_only=True,
        frozen=True,
    )
    decode = msgspec.json.Decoder(link_class).decode

    def read(row: bytes) -> Outcome:
        try:
            link: object = decode(row)
        except FieldError as error:
            return (str(error.field),)
        except msgspec.ValidationError as error:
            # It stops at the first: the path stands in the sentence, such as `Expected int >= 1 - at $.merchant_id`.
            return (str(error).rpartition("$.")[2].rstrip("`"),)
        return link

    return read
