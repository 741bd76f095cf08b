"""Reconciliation as resources: load a merchant's report, see what is missing or different, take it along as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import falcon

from admin_api.http.old import (
    PAGE_ROWS,
    Field,
    csv_pieces,
    decode_id,
    decode_limit,
    decode_number,
    decode_object,
    received,
    refuse_unknown,
    validate_new,
)
from admin_api.reconciliation.issues import open_issues
from admin_api.reconciliation.report_settings import parse_settings
from admin_api.reconciliation.runs import delete_run, load_rows, load_run, load_runs, save_run
from admin_api.runtime import Pool, Row
from tracking.money import format_amount
from tracking.reconciliation import CLASS_FIXES, RowClass
from tracking.runtime import FieldError

EXPORT_ROWS_AT_ONCE = 2000
_SINGULAR = "reconciliation"
# Of the export; `fault` is what is wrong with a bad row, and what to do.
EXPORTED = (
    *(
        "class",
        "row_number",
        "differences",
        "reported_on",
        "order_id",
        "click_id",
        "event",
        "amount",
        "currency",
        "status",
    ),
    *("conversion_id", "our_received_at", "our_order_id", "our_click_id", "our_event", "our_amount", "our_currency"),
    *("our_status", "fault"),
)


def _classes(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or not value or not set(CLASS_FIXES).issuperset(map(str, value)):
        raise FieldError(field, f"{field} must be a list of some of {', '.join(CLASS_FIXES)}")
    return value


_ISSUE_FIELDS = (Field("classes", _classes, default=tuple(CLASS_FIXES)),)


class Reconciliations:
    """All runs, and making one."""

    def __init__(self, pool: Pool, click_id_keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._keys = click_id_keys

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Compare a report with what is stored."""
        with received(req) as upload:
            settings = parse_settings(upload.settings)
            with self._pool.connection() as database:
                run = save_run(database, upload, settings, self._keys)
                resp.media = load_run(database, run)
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/reconciliations/{run}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List runs, the newest first."""
        refuse_unknown(req, ("merchant_id", "limit", "cursor"))
        limit = decode_limit(req, PAGE_ROWS)
        before, merchant_id = decode_number(req, "cursor"), decode_number(req, "merchant_id")
        with self._pool.connection() as database:
            runs = load_runs(database, before, limit + 1, merchant_id)
        resp.media = _page(runs, limit, "reconciliation_id")


class ReconciliationItem:
    """One run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Show how it was read, and its figures."""
        with self._pool.connection() as database:
            resp.media = load_run(database, decode_id(object_id, _SINGULAR))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Remove it with its rows; conversions stay as they are."""
        with self._pool.connection() as database:
            delete_run(database, decode_id(object_id, _SINGULAR))
        resp.status = falcon.HTTP_NO_CONTENT


class ReconciliationIssues:
    """What an operator should look at in a run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Open an issue for each class of rows that needs somebody, or for those the body names."""
        run = decode_id(object_id, _SINGULAR)
        wanted = validate_new(_ISSUE_FIELDS, decode_object(req) if req.content_length else {})
        with self._pool.connection() as database:
            resp.media = {"items": open_issues(database, run, wanted["classes"])}


class ReconciliationRows:
    """The rows of a run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """List rows, all or those of a class."""
        refuse_unknown(req, ("class", "limit", "cursor"))
        run, kind = decode_id(object_id, _SINGULAR), _class(req)
        limit = decode_limit(req, PAGE_ROWS)
        with self._pool.connection() as database:
            load_run(database, run)
            rows = load_rows(database, run, kind, decode_number(req, "cursor") or 0, limit + 1)
        resp.media = _page([_with_amounts(row) for row in rows], limit, "row_id")


class ReconciliationExport:
    """The rows of a run as a file."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Send rows as CSV, all or those of a class."""
        refuse_unknown(req, ("class",))
        run, kind = decode_id(object_id, _SINGULAR), _class(req)
        with self._pool.connection() as database:
            load_run(database, run)
        resp.content_type = "text/csv; charset=utf-8; header=present"
        resp.downloadable_as = f"reconciliation-{run}{f'-{kind}' if kind else ''}.csv"
        resp.stream = csv_pieces(EXPORTED, self._rows(run, kind))

    def _rows(self, run: int, kind: str | None) -> Iterator[list[Any]]:
        """Yield the rows. A page at a time: a client that reads slowly holds no connection of the pool."""
        after = 0
        while True:
            with self._pool.connection() as database:
                rows = load_rows(database, run, kind, after, EXPORT_ROWS_AT_ONCE)
            yield from (_exported(row) for row in rows)
            if len(rows) < EXPORT_ROWS_AT_ONCE:
                return
            after = rows[-1]["row_id"]


def _exported(row: Row) -> list[Any]:
    shown = _with_amounts(row) | {
        "differences": " ".join(row["differences"]),
        "fault": " ".join(f"{fault['column']} {fault['value']!r}: {fault['fix']}." for fault in row["faults"] or ()),
    }
    return [shown[name] for name in EXPORTED]


def _with_amounts(row: Row) -> Row:
    """Add both amounts in major units, as exact decimal text."""
    amounts = {}
    for prefix in ("", "our_"):
        minor, currency = row[f"{prefix}amount_minor"], row[f"{prefix}currency"]
        has_amount = minor is not None and currency is not None
        amounts[f"{prefix}amount"] = format_amount(minor, currency) if has_amount else None
    return row | amounts


def _class(req: falcon.Request) -> str | None:
    kind = req.get_param("class") or None
    if kind is not None and kind not in set(RowClass):
        raise FieldError("class", f"class must be one of {', '.join(RowClass)}")
    return kind


def _page(rows: list[Row], limit: int, id_name: str) -> dict[str, Any]:
    shown = rows[:limit]
    return {"items": shown, "next_cursor": str(shown[-1][id_name]) if len(rows) > limit else None}
