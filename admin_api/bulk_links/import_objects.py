"""What an import shows."""

from __future__ import annotations

from admin_api.bulk_links.faults import Severity
from admin_api.bulk_links.imports import Outcome
from admin_api.http import Shown

FAULTS_SHOWN = 100


class ImportFault(Shown):
    """Something to know about a row."""

    row: int
    """The row, counted from 1 with the heading; in JSON the object, counted from 1."""
    severity: Severity
    """`error` keeps the whole file from being imported; with `not-imported` the row is imported without this value."""
    field: str
    """The field of the link, or the column. Empty for the row as a whole."""
    value: str
    """Its value, up to 100 characters."""
    code: str
    detail: str
    """What is wrong, and what to do about it."""


class ImportResult(Shown):
    """What an import does or did."""

    rows: int
    """How many links the file has."""
    created: int
    """How many links are new."""
    updated: int
    """How many links there are already, and change."""
    unchanged: int
    """How many links are already as the file has them."""
    errors: int
    """How many errors there are. While there is one, nothing is imported."""
    not_imported: int
    """How many values have no place in a link."""
    faults: list[ImportFault]
    """The first 100 faults, in the order of the rows. `POST /v1/links/import/faults.csv` has all of them."""
    token: str | None
    """Repeat the request with this token to carry out the preview. Null if there are errors, and once it is done."""
    done: bool
    """Whether the import was carried out."""


def result_of(outcome: Outcome, *, done: bool) -> ImportResult:
    """Return what is shown of an import."""
    return ImportResult(
        rows=outcome.rows,
        created=outcome.created,
        updated=outcome.updated,
        unchanged=outcome.unchanged,
        errors=outcome.errors,
        not_imported=len(outcome.faults) - outcome.errors,
        faults=[ImportFault(**fault._asdict()) for fault in outcome.faults[:FAULTS_SHOWN]],
        token=None if done else outcome.token,
        done=done,
    )
