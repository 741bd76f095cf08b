"""Click records become rows of COPY's text format, and what is no click becomes poison with a reason."""

from __future__ import annotations

from collections import Counter
from time import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker_cases as cases
from config.geo import GeoDatabases
from config.tables import clicks
from tracking.clicks import ClickIdMint, ProcessIdentity, sub_values
from tracking.clicks.parameters import SUB_ALIASES, sub_value
from tracking.spool import Batch, encode_click
from tracking.visitors import visitor_key
from worker.clicks.columns import ClickRows, fast_rows
from worker.clicks.rows import click_row, timestamp
from worker.clicks.task import parse_clicks
from worker.clicks.visitors import Visitors
from worker.runtime import PoisonError
from worker.spool import Rules
from worker.spool.record_rules import DAYS_OFF_MAX

NOW_MS = int(time() * 1000)
RULES = Rules([cases.KEY], NOW_MS)
VISITORS = Visitors(GeoDatabases(), visitor_key(cases.KEY))
DAY_MS = 86_400_000


def columns(payload: str) -> dict[str, str | None]:
    """Read a COPY line back as PostgreSQL would."""
    line = click_row(payload, cases.SPOOL, 5, RULES, VISITORS).line
    assert line.endswith("\n")
    assert line.count("\n") == 1
    fields = line[:-1].split("\t")
    unescaped = [
        None
        if field == "\\N"
        else field.encode("latin-1", "backslashreplace").decode("unicode_escape")
        if "\\" in field
        else field
        for field in fields
    ]
    return dict(zip(clicks.WRITTEN, unescaped, strict=True))


def reason_of(payload: object) -> str:
    with pytest.raises(PoisonError) as caught:
        click_row(payload, cases.SPOOL, 5, RULES, VISITORS)
    return caught.value.code


def changed(**changes: object) -> str:
    return encode_click(cases.click(**changes)).decode()


def test_a_click_fills_every_column() -> None:
    made = cases.click(query="sub1=one&s2=two&x=y", sub_defaults=[None, "no", "three"])
    row = columns(encode_click(made).decode())
    assert row["click_id"] == made.click_id
    assert (row["class"], row["spool_number"], row["ip"]) == ("valid", "5", "192.0.2.7")
    assert [row[f"sub{number}"] for number in range(1, 5)] == ["one", "two", "three", None]
    assert orjson.loads(row["parameters"] or "") == {"sub1": "one", "s2": "two", "x": "y"}


def test_raw_bytes_become_readable_text_and_nul_and_broken_utf8_the_replacement_character() -> None:
    hostile = "a\x00b\xc3\xa9\xff\t\r\n\\N\\"
    names = ("method", "host", "slug", "query", "user_agent", "referrer", "accept_language", "location")
    line = click_row(changed(**dict.fromkeys(names, hostile)), cases.SPOOL, 5, RULES, VISITORS).line
    assert line.split("\t").count("a\ufffdbé\ufffd\\t\\r\\n\\\\N\\\\") == len(names)


def test_nul_in_a_parameter_is_replaced_in_jsonb_and_sub_ids() -> None:
    row = click_row(changed(query="sub1=a%00b&n%00m=\x00"), cases.SPOOL, 5, RULES, VISITORS).line
    assert '{"sub1":"a\ufffdb","n\ufffdm":"\ufffd"}' in row
    assert "\\u0000" not in row
    assert "\ta\ufffdb\t" in row


def test_a_sub_id_that_reads_like_null_is_not_null() -> None:
    assert click_row(changed(query="sub1=%5CN"), cases.SPOOL, 5, RULES, VISITORS).line.split("\t")[18] == "\\\\N"


@pytest.mark.parametrize("payload", ["", "nonsense", "\x00", "{}", "[]", "[2]", "[1]", None, 7, '"x"', "[1,2,3]"])
def test_what_is_not_a_record_is_poison(payload: object) -> None:
    assert reason_of(payload) == "bad-record"


def test_one_field_too_many_is_poison() -> None:
    assert reason_of(orjson.dumps([*orjson.loads(changed()), None]).decode()) == "bad-record"


@pytest.mark.parametrize("index", range(1, 17))
def test_every_field_of_a_wrong_type_is_poison(index: int) -> None:
    values = orjson.loads(changed())
    values[index] = {"a": 1}
    assert reason_of(orjson.dumps(values).decode()) == "bad-field"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"click_id": "00000000-0000-7000-8000-000000000000"}, "forged-click-id"),
        ({"click_id": "not a uuid"}, "forged-click-id"),
        ({"ip": "300.1.1.1"}, "bad-ip"),
        ({"ip": "unknown"}, "bad-ip"),
        ({"ip": "\x00"}, "bad-ip"),
        ({"link_id": True}, "bad-field"),
        ({"link_id": -1}, "bad-field"),
        ({"config_version": 2**63}, "bad-field"),
        ({"sub_defaults": [None] * 11}, "bad-field"),
        ({"sub_defaults": [1]}, "bad-field"),
        ({"routing": [1]}, "bad-field"),
        ({"routing": [1, [], -1, None, None, {}]}, "bad-field"),
        ({"at_ms": 253_402_300_799_000}, "date-out-of-range"),
        ({"at_ms": 0}, "date-out-of-range"),
    ],
)
def test_a_value_that_cannot_be_is_poison(changes: dict[str, object], code: str) -> None:
    assert reason_of(changed(**changes)) == code


@pytest.mark.parametrize("sign", [-1, 1])
def test_days_late_or_early_is_a_click_and_more_than_400_days_is_poison(sign: int) -> None:
    near = NOW_MS + sign * (DAYS_OFF_MAX - 1) * DAY_MS
    far = NOW_MS + sign * (DAYS_OFF_MAX + 1) * DAY_MS
    row = click_row(changed(click_id=cases.mint_at(near), at_ms=near), cases.SPOOL, 5, RULES, VISITORS)
    assert row.partition == row.day == near // DAY_MS
    assert reason_of(changed(click_id=cases.mint_at(far))) == "date-out-of-range"


@pytest.mark.parametrize(("text", "stored"), [("", None), ("2001:db8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1")])
def test_an_address_is_stored_as_postgresql_takes_it(text: str, stored: str | None) -> None:
    assert columns(changed(ip=text))["ip"] == stored


def test_a_megabyte_of_user_agent_is_kept_whole() -> None:
    assert len(columns(changed(user_agent="x" * 2**20))["user_agent"] or "") == 2**20


def test_a_moment_reads_as_utc_to_the_millisecond() -> None:
    assert timestamp(1_700_000_000_007) == "2023-11-14 22:13:20.007+00"


_NAMES = st.sampled_from(
    [name for names in SUB_ALIASES for name in names] + ["x", "sub11", "utm_campaign", "cid", "cost"]
)
_RAW = st.text(st.characters(max_codepoint=255), max_size=8) | st.sampled_from(
    ["\\N", "a\tb\r\n", "caf\xc3\xa9", "\x00"]
)
_PAIRS = st.tuples(
    _NAMES, st.sampled_from(["", "one", "a+b", "%C3%A9", "%00", "%5C", "%22", "%09", "=", "\xff", "0.5", "z" * 600])
)
_CLICKS = st.fixed_dictionaries(
    {},
    optional={
        "query": st.lists(_PAIRS, max_size=6).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
        "sub_defaults": st.lists(st.none() | st.sampled_from(["x", "\\", "a\tb", "é"]), max_size=10),
        "ip": st.sampled_from(["", "2001:db8::1", "fe80::1%eth0", "192.0.2.9", "8.8.8.8"]),
        "method": st.sampled_from(["GET", "HEAD"]),
        "purpose": st.sampled_from(["", "prefetch"]),
        "link_id": st.integers(0, 2**63 - 1),
        "routing": st.none()
        | st.tuples(st.just(1), st.just([0]), st.none() | st.just(5), st.none(), _RAW, st.just({})),
        **dict.fromkeys(("host", "slug", "user_agent", "referrer", "accept_language", "location"), _RAW),
    },
)


@given(st.lists(_CLICKS, max_size=5), st.integers(0, 3))
def test_a_batch_column_by_column_is_the_same_rows_as_record_by_record(
    changes: list[dict[str, Any]], repeats: int
) -> None:
    # Repeated, so that a batch also is several blocks.
    payloads = cases.payloads([cases.click(**each) for _ in range(1 + 40 * repeats) for each in changes])
    rows = fast_rows(Batch(cases.SPOOL, 1000, payloads), RULES, VISITORS)
    assert rows is not None
    singly = ClickRows()
    for number, payload in enumerate(payloads, 1000):
        singly.add(click_row(payload, cases.SPOOL, number, RULES, VISITORS))
    assert rows == singly


def test_a_record_of_version_1_is_stored_without_routing() -> None:
    payload = orjson.dumps([1, *orjson.loads(changed())[1:-1]]).decode()
    assert click_row(payload, cases.SPOOL, 1, RULES, VISITORS).line.endswith("\t\\N\t\\N\t\\N\n")


def test_where_a_click_went_is_stored_with_its_rule_and_destination() -> None:
    line = click_row(
        changed(routing=[3, [0, -1], 12, 40, None, {"city": "a\x00\\u0000"}]), cases.SPOOL, 1, RULES, VISITORS
    ).line
    routing, rule_id, destination_id = line.rstrip("\n").split("\t")[-3:]
    assert orjson.loads(routing.replace("\\\\", "\\")) == [3, [0, -1], 12, 40, None, {"city": "a\ufffd\\u0000"}]
    assert (rule_id, destination_id) == ("12", "40")


def test_rows_of_several_days_are_told_apart() -> None:
    moments = [NOW_MS - days * DAY_MS for days in (2, 0, 1, 0)]
    payloads = [changed(click_id=cases.mint_at(at_ms), at_ms=at_ms - DAY_MS) for at_ms in moments]
    rows = fast_rows(Batch(cases.SPOOL, 0, payloads), RULES, VISITORS)
    assert rows is not None
    today = NOW_MS // DAY_MS
    assert rows.partitions == {today - 2, today - 1, today}
    assert rows.days == [today - 3, today - 1, today - 2, today - 1]


_SEVERAL_KEYS = [b"o" * 16, cases.KEY]


def test_a_batch_with_an_older_key_is_usual_and_one_with_ids_of_both_goes_record_by_record() -> None:
    newer = ClickIdMint([_SEVERAL_KEYS[0]], ProcessIdentity(7, 9, 0)).mint()[0]
    rules = Rules(_SEVERAL_KEYS, RULES.now_ms)
    older, mixed = [changed(), changed()], [changed(), changed(click_id=newer)]
    assert fast_rows(Batch(cases.SPOOL, 0, older), rules, VISITORS) is not None
    assert fast_rows(Batch(cases.SPOOL, 0, mixed), rules, VISITORS) is None
    rows, poison = parse_clicks(Batch(cases.SPOOL, 0, mixed), rules, VISITORS)
    assert (rows.numbers, poison) == ([0, 1], [])


_ID = cases.click().click_id


@pytest.mark.parametrize(
    "payload",
    [
        "nonsense",
        None,
        7,
        "[1]",
        changed(link_id=-1),
        changed(link_id=True),
        changed(config_version=2**63),
        changed(ip="300.1.1.1"),
        changed(sub_defaults=[None] * 11),
        changed(sub_defaults=[1]),
        changed(sub_defaults=[[]]),
        changed(at_ms=0),
        changed(click_id=_ID.upper()),
        changed(click_id=f" {_ID}"),
        changed(click_id=_ID[:-1] + ("0" if _ID[-1] != "0" else "1")),
        changed(click_id=_ID.replace("-", "_")),
        changed(click_id=f"{_ID[:-2]} {_ID[-1]}"),
        changed(click_id=_ID[:9] + "-" + _ID[10:]),
        changed(click_id=_ID[:14] + "4" + _ID[15:]),
        changed(click_id=_ID[:19] + "c" + _ID[20:]),
        orjson.dumps([1, *orjson.loads(changed())[1:-1]]).decode(),
        changed(routing=[1, [], None, 2**63, None, {}]),
        changed(routing=[1]),
        changed(routing="x"),
        orjson.dumps([True, *orjson.loads(changed())[1:]]).decode(),
        # Two records in one payload, which the text between two payloads would hide if all were read as one document.
        f"{changed()},{changed()}",
    ],
)
def test_a_batch_with_anything_unusual_goes_record_by_record(payload: object) -> None:
    good = [changed(), changed()]
    payloads: Any = [good[0], payload, good[1]]
    assert fast_rows(Batch(cases.SPOOL, 0, payloads), RULES, VISITORS) is None
    rows, poison = parse_clicks(Batch(cases.SPOOL, 0, payloads), RULES, VISITORS)
    assert len(rows) + len(poison) == 3
    assert {0, 2} <= set(rows.numbers)


def test_the_rows_within_gaps_are_those_numbers_with_all_that_is_theirs() -> None:
    payloads = [changed(link_id=number) for number in range(10)]
    rows = fast_rows(Batch(cases.SPOOL, 100, payloads), RULES, VISITORS)
    assert rows is not None
    part = rows.within([(90, 102), (104, 105), (109, 200)])
    assert part.numbers == [100, 101, 104, 109]
    assert part.link_ids == [0, 1, 4, 9]
    assert part.lines == [rows.lines[place] for place in (0, 1, 4, 9)]
    assert part.click_ids == [rows.click_ids[place] for place in (0, 1, 4, 9)]
    assert part.day_counts() == Counter({(rows.days[0], link, "valid"): 1 for link in (0, 1, 4, 9)})


@given(st.dictionaries(_NAMES, st.text(max_size=3)), st.lists(st.none() | st.text(max_size=2), max_size=10))
def test_all_sub_ids_at_once_are_those_one_by_one(parameters: dict[str, str], defaults: list[str | None]) -> None:
    assert sub_values(parameters, defaults) == [sub_value(number, parameters, defaults) for number in range(1, 11)]
