"""Merchants' reports for tests: files of every format, uploaded as a form, and conversions to compare them with."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import orjson
from falcon.testing import Result

from admin_api.runtime import Database
from admin_client import CLICK_ID_KEYS, AdminClient
from tracking.clicks import ClickIdMint, ProcessIdentity

HEADING = ("Date", "Order", "Amount", "Currency", "State", "SubID", "Type")
COLUMNS = {
    "date": "Date",
    "order_id": "Order",
    "amount": "Amount",
    "currency": "Currency",
    "status": "State",
    "click_id": "SubID",
    "event": "Type",
}
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
_BOUNDARY = "a-boundary-of-the-tests"
_MINT = ClickIdMint(CLICK_ID_KEYS, ProcessIdentity(3, 0, 0))


def click_id() -> UUID:
    """Return a genuine click id."""
    return UUID(_MINT.mint()[0])


def settings(merchant_id: int, **changes: Any) -> dict[str, Any]:
    """Return settings that read a file of `csv_file`."""
    return {
        "merchant_id": merchant_id,
        "from": "2026-10-01",
        "to": "2026-10-31",
        "format": "csv",
        "columns": COLUMNS,
        "date_format": "YYYY-MM-DD",
        "decimal_separator": ".",
    } | changes


def csv_file(*rows: Sequence[Any], heading: Sequence[str] = HEADING, delimiter: str = ",") -> bytes:
    """Return a CSV file in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([heading, *rows])
    return text.getvalue().encode()


def row(order_id: str = "", **changes: Any) -> list[Any]:
    """Return a row of a report, under HEADING."""
    said = {"Date": "2026-10-15", "Order": order_id, "Amount": "25.00", "Currency": "USD", "State": "approved"}
    said |= {"SubID": "", "Type": ""} | changes
    return [said[name] for name in HEADING]


def xlsx_file(*rows: Sequence[Any], heading: Sequence[str] = HEADING, sheet: str = "Report") -> bytes:
    """Return a workbook of one sheet."""
    workbook = openpyxl.Workbook()
    worksheet = workbook.active
    worksheet.title = sheet
    for each in (heading, *rows):
        worksheet.append(list(each))
    data = io.BytesIO()
    workbook.save(data)
    return data.getvalue()


def with_parts(workbook: bytes, **parts: bytes) -> bytes:
    """Return a workbook with some parts replaced; dots and slashes of their names are written as underscores."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, parts.get(name.replace("/", "_").replace(".", "_"), source.read(name)))
    return data.getvalue()


def form(parts: Iterable[tuple[str, bytes]], file_name: str = "report.csv") -> bytes:
    """Return the body of a form."""
    body = b""
    for name, content in parts:
        with_name = f'; filename="{file_name}"' if name == "file" else ""
        body += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{with_name}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{_BOUNDARY}--\r\n".encode()


def post_form(admin: AdminClient, body: bytes, path: str = "/v1/reconciliations", **headers: str) -> Result:
    """Send a form as it is."""
    sent = {
        "Authorization": f"ApiKey {admin.token}",
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
    } | headers
    return admin.web.simulate_post(path, body=body, headers=sent)


def upload(admin: AdminClient, said: dict[str, Any], file: bytes, file_name: str = "report.csv") -> Result:
    """Load a report."""
    return post_form(admin, form([("settings", orjson.dumps(said)), ("file", file)], file_name))


def add_conversion(database: Database, merchant_id: int, **changes: Any) -> UUID:
    """Store a conversion: an approved ftd of 25.00 USD at NOON, unless said otherwise."""
    values = {
        "click_id": uuid4(),
        "merchant_id": merchant_id,
        "link_id": 1,
        "event": "ftd",
        "order_id": None,
        "status": "approved",
        "payout_minor": 2500,
        "currency": "USD",
        "authenticated": True,
        "clicked_at": NOON,
        "received_at": NOON,
    } | changes
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    stored = database.execute(
        f"insert into conversions ({names}) values ({places}) returning conversion_id", values
    ).fetchone()
    assert stored is not None
    conversion_id: UUID = stored["conversion_id"]
    return conversion_id
