"""A database with one object of each kind that the admin API edits, and the path of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg.types.json import Jsonb

from admin_client import AdminClient, admin_client
from money_cases import Books, opened_books
from tracking.reconciliation import RowClass

_URL = "https://partner.example/?id={click_id}"
# Every collection that can be written by the API alone. Those that nothing else names come first.
_BODIES: dict[str, dict[str, Any]] = {
    "profiles": {"name": "One", "domain": "one.example.com", "fallback_url": "https://fallback.example/"},
    "rotations": {"name": "One", "destinations": [{"url": "https://r.example/"}]},
    "event-types": {"event": "one", "name": "One"},
    "commission-plans": {"name": "One", "starts_on": "2020-01-01", "currency": "USD"},
    "exchange-rates": {"base": "EUR", "quote": "USD", "rate": "1.1", "rate_date": "2026-10-30"},
    "outgoing-postbacks": {"name": "One", "url": _URL},
    "saved-reports": {"name": "One", "question": {"group_by": "link"}},
    "report-schedules": {"saved_report_id": 1, "every": "day", "recipients": ["one@example.com"]},
}
_RULES = (
    '{"merchant_id": 1, "from": "2026-10-01", "to": "2026-10-31", "format": "csv",'
    ' "columns": {"date": "A", "amount": "B", "order_id": "C"}}'
)
_NOTHING = {"rows": 0, "theirs_minor": {}, "ours_minor": {}}
_A_DAY = timedelta(days=1)
_WORD = re.compile(r"\{(\w+)\}")


class OneOfEach(NamedTuple):
    """A client of an app whose database has one of each."""

    admin: AdminClient
    books: Books

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the method, the path and the declaration of every operation of the OpenAPI document."""
        paths = self.admin.request("GET", "/v1/openapi.json").json["paths"]
        return [
            (method.upper(), path, declared) for path, methods in paths.items() for method, declared in methods.items()
        ]

    def path_of(self, template: str) -> str:
        """Return the path of an object that exists. Its number is read from the list of its kind."""
        names = _WORD.findall(template)
        if not names:
            return template
        collection = template.partition("/{")[0]
        answer = self.admin.request("GET", f"{collection}?limit=1")
        items = answer.json.get("items") if answer.status_code == 200 else None
        assert items, f"there is no object at {collection}; tests/support/one_of_each.py makes one of each kind"
        return _WORD.sub(lambda match: str(items[0][match[1]]), template)


@contextmanager
def one_of_each(database_url: str, redis_url: str) -> Iterator[OneOfEach]:
    """Yield the client, on a database that is filled."""
    with opened_books(database_url, redis_url) as books, admin_client(database_url, redis_url) as admin:
        for collection, body in _BODIES.items():
            admin.created(collection, **body)
        books.conversion(status="pending")
        admin.created("users", email="one@example.com", name="One", role="analyst")
        books.add(
            "user_sessions",
            user_id=1,
            token_hash="0" * 64,
            idle="1 day",
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )
        books.add("issues", kind="corrected-postback", subject_key="one", title="One")
        books.add(
            "payouts", source_id=1, currency="USD", payout_schedule="monthly", period_ends_at="2026-10-01T00:00:00Z"
        )
        books.add(
            "reconciliations",
            merchant_id=1,
            first_day="2026-10-01",
            last_day="2026-10-31",
            time_zone="UTC",
            begins_at="2026-10-01T00:00:00Z",
            ends_at="2026-11-01T00:00:00Z",
            file_bytes=1,
            file_sha256="0" * 64,
            rules=_RULES,
            figures=Jsonb({each.value: _NOTHING for each in RowClass}),
        )
        yield OneOfEach(admin, books)


def any_path(template: str) -> str:
    """Return a path that fits a template, of an object that need not exist."""
    return _WORD.sub(lambda match: str(uuid4()) if match[1] in ("conversion_id", "postback_id") else "1", template)
