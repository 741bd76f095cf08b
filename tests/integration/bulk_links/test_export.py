"""Exports of links, and that what is exported can be imported again as it is."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest

from admin_api.runtime import Database
from admin_client import AdminClient
from link_files import all_links, import_links, preview

RULES = {
    "rules": [{"name": "=cmd", "destinations": [{"url": "https://de.example/?x={sub1}", "weight": 3}]}],
    "countries": {"DE": "https://de.example/"},
}


@pytest.fixture
def links(admin: AdminClient) -> list[dict[str, Any]]:
    """Return links whose text is hard to carry in a file."""
    merchant, profile = admin.merchant(name="=Casino"), admin.profile()
    source = admin.created("sources", name="-1+1")
    everywhere = {"profile_id": profile["profile_id"], "source_id": source["source_id"]}
    admin.link(merchant, name="=1+1", slug="formula", sub1="@cmd", sub2="-5", sub3="'=x", sub4="'", **everywhere)
    admin.link(merchant, name='a "b", c;d', slug="quotes", notes='one\n"two"\n\n=three', tags=["x", "ärger y"])
    admin.link(merchant, name="rules", slug="rules", routing=RULES, active=False, **everywhere)
    admin.link(merchant, name="zażółć 😀", slug="emoji", sub1="", destination_url="https://bücher.example/{sub1}#x")
    return all_links(admin)


@pytest.mark.parametrize("references", ["ids", "names"])
@pytest.mark.parametrize(("path", "kind"), [("export.csv", "csv"), ("export.ndjson", "json")])
def test_what_is_exported_is_imported_unchanged(
    admin: AdminClient, database: Database, links: list[dict[str, Any]], references: str, path: str, kind: str
) -> None:
    exported = admin.request("GET", f"/v1/links/{path}?references={references}")
    assert exported.status_code == 200
    for key in ("link_id", "slug"):
        answer = preview(admin, exported.content, format=kind, mode="update", key=key)
        assert (answer["unchanged"], answer["updated"], answer["errors"]) == (len(links), 0, 0), answer
    # The same links once more, after they are gone.
    database.execute("delete from links")
    import_links(admin, exported.content, format=kind)
    own = ("link_id", "revision", "created_at", "updated_at", "routing")
    for before, after in zip(links, all_links(admin), strict=True):
        expected, found = ({k: v for k, v in each.items() if k not in own} for each in (before, after))
        # A cell cannot tell empty text from none.
        if kind == "csv":
            expected = {k: v if v != "" or k == "notes" else None for k, v in expected.items()}
        assert found == expected
        assert (after["routing"] is None) == (before["routing"] is None)


def test_an_export_takes_the_filters_of_the_list(admin: AdminClient, links: list[dict[str, Any]]) -> None:
    text = admin.request("GET", "/v1/links/export.csv?tag=x").content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["slug"], row["tags"], row["url"]) == ("quotes", "x,ärger y", "http://127.0.0.1:18080/click/quotes")
    lines = admin.request("GET", "/v1/links/export.ndjson?active=false&references=names").content.splitlines()
    (shown,) = map(orjson.loads, lines)
    assert (shown["profile"], shown["merchant"], shown["source"]) == ("track.example.com", "=Casino", "-1+1")
    assert admin.request("GET", "/v1/links/export.csv?tags=x").status_code == 400


def test_no_cell_of_an_export_begins_like_a_formula(admin: AdminClient, links: list[dict[str, Any]]) -> None:
    text = admin.request("GET", "/v1/links/export.csv?references=names").content.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert len(cells) > 100
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "-1+"))] == []
