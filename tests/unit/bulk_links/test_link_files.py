"""Files of links on their own: headings, cells, JSON in pieces, and other trackers' columns and macros."""

from __future__ import annotations

import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.bulk_links.cells import cell_value
from admin_api.bulk_links.file_rows import FileRow, file_rows
from admin_api.bulk_links.import_settings import parse_import_settings
from admin_api.bulk_links.json_rows import json_objects
from admin_api.bulk_links.layouts import BINOM, KEITARO, VOLUUM
from admin_api.bulk_links.macros import translated_url
from tracking.clicks import compile_destination
from tracking.runtime import FieldError

VOLUUM_EDITED = (
    "# 1. Offer\u2019s ID;2. Offer\u2019s name;3. Offer\u2019s URL;4. Country code;5. Affiliate Network ID;6. Payout;"
    "7. Tags;8. Conversion cap enabled;9. Daily cap;10. Conversion cap time zone;11. Conversion cap redirect offer ID"
)
KEITARO_OFFER = {
    "id": 21,
    "name": "Offer",
    "group_id": 0,
    "action_type": "http",
    "action_payload": "https://m.example/?s={subid}&x={sub_id_2}",
    "affiliate_network_id": 4,
    "payout_value": 0,
    "state": "disabled",
    "country": ["DE"],
    "notes": "old",
    "affiliate_network": "Network",
}


def read(data: bytes | str, **settings: Any) -> list[FileRow]:
    raw = data if isinstance(data, bytes) else data.encode()
    return list(file_rows(io.BytesIO(raw), parse_import_settings(orjson.dumps(settings))))


def test_voluums_offers_become_links_and_what_has_no_place_is_said() -> None:
    (row,) = read(
        f"{VOLUUM_EDITED}\n93bc;My Offer;http://m.example/?s={{clickid}};AF;5756;10.00;local george;;;;\n",
        layout="voluum",
    )
    assert row.values == {
        "name": "My Offer",
        "destination_url": "http://m.example/?s={click_id}",
        "merchant": "5756",
        "tags": ["local", "george"],
        "notes": "Voluum id 93bc",
    }
    assert [(fault.field, fault.severity.value) for fault in row.faults] == [
        ("4. Country code", "not-imported"),
        ("6. Payout", "not-imported"),
    ]


def test_keitaros_offers_become_links() -> None:
    (row,) = read(json.dumps([KEITARO_OFFER]), layout="keitaro", format="json")
    assert row.values == {
        "name": "Offer",
        "destination_url": "https://m.example/?s={click_id}&x={sub2}",
        "merchant": "Network",
        "active": False,
        "notes": "old\nKeitaro id 21",
    }
    assert {fault.field for fault in row.faults} >= {"affiliate_network_id", "country", "action_type"}


def test_binoms_columns_are_named_by_the_settings() -> None:
    file = "Offer,Link,Network\nA,https://m.example/?c={clickid}&t={t3},N\n"
    columns = {"name": "Offer", "destination_url": "Link", "merchant": "Network"}
    (row,) = read(file, layout="binom", columns=columns)
    assert row.values["destination_url"] == "https://m.example/?c={click_id}&t={sub3}"
    assert row.values["merchant"] == "N"


def test_an_unknown_macro_is_an_error_until_the_settings_say_what_it_is() -> None:
    file = f"{VOLUUM_EDITED}\n1;A;http://m.example/?o={{offer.name}}&r={{random:1,9}};;;;;;;;\n"
    (row,) = read(file, layout="voluum")
    assert [fault.code for fault in row.faults] == ["unknown-macro"]
    assert "{offer.name}, {random:1,9}" in row.faults[0].detail
    (row,) = read(file, layout="voluum", macros={"offer.name": "slug", "random:1,9": "random"})
    assert row.values["destination_url"] == "http://m.example/?o={slug}&r={random}"
    assert row.faults == []


@pytest.mark.parametrize("tracker", [VOLUUM, KEITARO, BINOM])
def test_every_macro_of_a_tracker_becomes_a_macro_of_ours(tracker: Any) -> None:
    for theirs, ours in tracker.macros.items():
        url = translated_url(f"https://m.example/?x={{{theirs}}}", tracker.macros, tracker.name)
        assert url == f"https://m.example/?x={{{ours}}}"
    assert translated_url("https://m.example/", tracker.macros, tracker.name) == "https://m.example/"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("active", " Yes ", True),
        ("active", "inactive", False),
        ("profile_id", "12", 12),
        ("profile_id", " ", None),
        ("sub1", "", None),
        ("sub1", " x ", " x "),
        ("tags", "a, b,,", ["a", "b"]),
        ("tags", "", []),
        ("notes", "", ""),
        ("routing", '{"rules": []}', {"rules": []}),
        ("routing", "", None),
        ("source", "", None),
    ],
)
def test_a_cell_is_read_as_its_field(field: str, text: str, value: Any) -> None:
    assert cell_value(field, text) == value


@pytest.mark.parametrize(
    ("field", "text"),
    [("active", "maybe"), ("profile_id", "x"), ("profile_id", "\u0662"), ("routing", "{"), ("link_id", "-1")],
)
def test_a_cell_that_is_not_of_its_field_is_refused(field: str, text: str) -> None:
    with pytest.raises(FieldError, match=field):
        cell_value(field, text)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(_VALUES, max_size=6), st.booleans(), st.integers(1, 7))
def test_json_in_pieces_of_any_size_is_read_as_it_is(values: list[Any], listed: bool, size: int) -> None:
    text = json.dumps(values, ensure_ascii=False) if listed else "\n".join(map(json.dumps, values))
    if not listed and values and isinstance(values[0], list):
        # A list at the beginning is the list of links.
        return
    data = text.encode(errors="surrogatepass")
    assert list(json_objects(io.BytesIO(data), size)) == values


@pytest.mark.parametrize(
    "data",
    [b'[{"a":1}', b"[", b'{"a":', b"nonsense", b"[NaN]", b"\xff{}", b"[" * 100_000, b'["' + b"x" * 3_000_000, b"{}]x"],
)
def test_json_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError) as refused:
        list(json_objects(io.BytesIO(data)))
    assert refused.value.field == "file"


def test_destinations_with_our_macros_compile() -> None:
    names = {*VOLUUM.macros.values(), *KEITARO.macros.values(), *BINOM.macros.values()}
    unavailable = set()
    for name in names:
        try:
            compile_destination(f"https://m.example/?x={{{name}}}", "destination_url")
        except FieldError:
            unavailable.add(name)
    assert unavailable <= {"city", "device", "os", "browser", "language"}
