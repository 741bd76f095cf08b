"""Click records become rows of COPY's text format, and what is no click becomes poison with a reason."""

from __future__ import annotations

from time import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker_cases as cases
from tracking.parameters import SUB_ALIASES, sub_value, sub_values
from tracking.records import encode_click
from worker.click_rows import COLUMNS, DAYS_OFF_MAX, Rules, click_row, timestamp
from worker.errors import PoisonError

NOW_MS = int(time() * 1000)
RULES = Rules([cases.KEY], NOW_MS)
DAY_MS = 86_400_000


def columns(payload: str) -> dict[str, str | None]:
    """Read a COPY line back as PostgreSQL would."""
    line = click_row(payload, cases.SPOOL, 5, RULES).line.decode()
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
    return dict(zip(COLUMNS.split(", "), unescaped, strict=True))


def reason_of(payload: object) -> str:
    with pytest.raises(PoisonError) as caught:
        click_row(payload, cases.SPOOL, 5, RULES)
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
    line = click_row(changed(**dict.fromkeys(names, hostile)), cases.SPOOL, 5, RULES).line.decode()
    assert line.split("\t").count("a\ufffdbé\ufffd\\t\\r\\n\\\\N\\\\") == len(names)


def test_nul_in_a_parameter_is_replaced_in_jsonb_and_sub_ids() -> None:
    row = click_row(changed(query="sub1=a%00b&n%00m=\x00"), cases.SPOOL, 5, RULES).line.decode()
    assert '{"sub1":"a\ufffdb","n\ufffdm":"\ufffd"}' in row
    assert "\\u0000" not in row
    assert "\ta\ufffdb\t" in row


def test_a_sub_id_that_reads_like_null_is_not_null() -> None:
    assert click_row(changed(query="sub1=%5CN"), cases.SPOOL, 5, RULES).line.decode().split("\t")[18] == "\\\\N"


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
    row = click_row(changed(click_id=cases.mint_at(near), at_ms=near), cases.SPOOL, 5, RULES)
    assert row.partition == row.day == near // DAY_MS
    assert reason_of(changed(click_id=cases.mint_at(far))) == "date-out-of-range"


@pytest.mark.parametrize(("text", "stored"), [("", None), ("2001:db8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1")])
def test_an_address_is_stored_as_postgresql_takes_it(text: str, stored: str | None) -> None:
    assert columns(changed(ip=text))["ip"] == stored


def test_a_megabyte_of_user_agent_is_kept_whole() -> None:
    assert len(columns(changed(user_agent="x" * 2**20))["user_agent"] or "") == 2**20


def test_a_moment_reads_as_utc_to_the_millisecond() -> None:
    assert timestamp(1_700_000_000_007) == "2023-11-14 22:13:20.007+00"


_NAMES = st.sampled_from([name for names in SUB_ALIASES for name in names] + ["x", "sub11"])


@given(st.dictionaries(_NAMES, st.text(max_size=3)), st.lists(st.none() | st.text(max_size=2), max_size=10))
def test_all_sub_ids_at_once_are_those_one_by_one(parameters: dict[str, str], defaults: list[str | None]) -> None:
    assert sub_values(parameters, defaults) == [sub_value(number, parameters, defaults) for number in range(1, 11)]
