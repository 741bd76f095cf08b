"""What the API shows about erasures, and what a request for one contains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from admin_api.http import Body, Shown, Text, checked
from tracking.privacy import SubjectKind
from tracking.runtime import FieldError

NOTE_CHARACTERS_MAX = 500
CLICK_ID_CHARACTERS_MAX = 200


def _check_address(text: str, field: str) -> str:
    try:
        # A zone means something on one machine only.
        return str(ip_address(text.strip() if "%" not in text else ""))
    except ValueError:
        raise FieldError(field, f"{field} must be an address such as 203.0.113.7, not {text[:40]!r}") from None


Address = Annotated[
    str, checked(_check_address), WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f:.]{2,45}$"})
]


class ErasureBody(Body):
    """Whom an erasure is about: give exactly one of `click_id` and `address`."""

    click_id: Annotated[str, Text(CLICK_ID_CHARACTERS_MAX)] | None = None
    """The click id."""
    address: Address | None = None
    """The visitor's whole address. All clicks from it are erased, whoever made them."""
    sub_ids: bool = False
    """Whether sub1 to sub10 are erased too. They usually name placements, and reports are made by them."""
    note: Annotated[str, Text(NOTE_CHARACTERS_MAX)] | None = None
    """A reference of yours, such as the number of the request. Do not name the visitor."""
    dry_run: bool = False
    """Whether it is only counted what would be erased."""

    def faults(self) -> Iterator[FieldError]:
        """Yield the errors of the body as a whole."""
        if (self.click_id is None) == (self.address is None):
            yield FieldError("click_id", "give exactly one of click_id and address")


class ErasedRows(Shown):
    """How many rows of each kind were erased so far, or would be."""

    clicks: int
    postbacks: int
    """Postbacks that named one of the clicks: their raw request is gone, and what was read of it stays."""
    deliveries: int
    attempts: int
    issues: int
    poison: int
    """Records that could not be stored."""


class Erasure(Shown):
    """An erasure, which is its receipt once it is done. It does not tell whom it was about."""

    erasure_id: int
    subject_kind: SubjectKind
    subject_hash: str
    """A keyed hash of the click id or the address, in hex. The same subject has the same hash."""
    sub_ids: bool
    dry_run: bool
    state: Literal["waiting", "running", "done"]
    erased: ErasedRows
    note: str | None
    requested_by: str
    """The name of the API token that asked for it."""
    requested_at: datetime
    finished_at: datetime | None
    """When it was done. Null before."""
    recognised_until: datetime
    """Clicks of before the request that are stored late are erased as they are stored, until then."""


def show_erasure(row: Mapping[str, Any]) -> Erasure:
    """Return the erasure of a row."""
    counts = dict.fromkeys(ErasedRows.model_fields, 0) | row["counts"]
    return Erasure.of(
        row, subject_hash=bytes(row["subject_hash"]).hex(), dry_run=row["dry"], erased=ErasedRows.of(counts)
    )
