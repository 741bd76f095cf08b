"""Files of links for tests: written, sent, previewed and carried out."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson
from falcon.testing import Result

from admin_client import AdminClient
from reports import form, post_form


def csv_of(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    """Return a CSV file whose headings are the names in the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def send(admin: AdminClient, file: bytes, path: str = "/v1/links/import", **settings: Any) -> Result:
    """Send a file of links with its settings."""
    body = form([("settings", orjson.dumps(settings)), ("file", file)], "links.csv")
    return post_form(admin, body, path)


def preview(admin: AdminClient, file: bytes, **settings: Any) -> dict[str, Any]:
    """Return the preview of an import."""
    result = send(admin, file, **settings)
    assert result.status_code == 200, result.text
    answer: dict[str, Any] = result.json
    return answer


def import_links(admin: AdminClient, file: bytes, **settings: Any) -> dict[str, Any]:
    """Import a file that has no errors, as its preview showed, and return the answer."""
    shown = preview(admin, file, **settings)
    assert shown["errors"] == 0, shown["faults"]
    assert not shown["done"]
    done = preview(admin, file, **settings, token=shown["token"])
    assert done["done"]
    assert {name: done[name] for name in ("created", "updated", "unchanged")} == {
        name: shown[name] for name in ("created", "updated", "unchanged")
    }
    return done


def all_links(admin: AdminClient) -> list[dict[str, Any]]:
    """Return every link."""
    items: list[dict[str, Any]] = admin.request("GET", "/v1/links?limit=500").json["items"]
    return items


def faults(answer: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Return row, field and code of the faults that an import shows."""
    return [(fault["row"], fault["field"], fault["code"]) for fault in answer["faults"]]
