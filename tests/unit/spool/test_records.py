"""Spool records: what is written is read back, what is not a record is refused, and text survives any bytes."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.spool import (
    Click,
    Postback,
    RecordError,
    as_text,
    decode_click,
    decode_postback,
    encode_click,
    encode_postback,
)

raw = st.text(st.characters(max_codepoint=255), max_size=40)
clicks = st.builds(
    Click,
    at_ms=st.integers(0, 2**48 - 1),
    link_id=st.integers(1, 2**62),
    profile_id=st.integers(1, 2**62),
    config_version=st.integers(0, 2**62),
    sub_defaults=st.lists(st.none() | raw, min_size=10, max_size=10),
    routing=st.none() | st.lists(st.none() | st.integers(0, 2**62) | raw, min_size=6, max_size=6),
    **dict.fromkeys(
        (
            "click_id",
            "method",
            "host",
            "slug",
            "query",
            "ip",
            "user_agent",
            "referrer",
            "accept_language",
            "purpose",
            "location",
        ),
        raw,
    ),
)


@given(click=clicks)
def test_any_click_is_read_back_from_bytes_and_from_text(click: Click) -> None:
    payload = encode_click(click)
    assert decode_click(payload) == decode_click(payload.decode()) == click


@given(body=raw, detail=st.none() | raw)
def test_any_postback_is_read_back(body: str, detail: str | None) -> None:
    postback = Postback("id", 1, "r", "GET", "h", "q", "", body, "", "", None, False, 400, "bad-body", detail, None)
    assert decode_postback(encode_postback(postback)) == postback


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"null", b"{}", b"[]", b"[1]", b"[2" + b",1" * 16 + b"]", b"[1" + b",1" * 17 + b"]", b"\xff", b'"x"'],
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    for decode in (decode_click, decode_postback):
        with pytest.raises(RecordError):
            decode(payload)


def test_a_record_of_a_later_version_names_both_versions() -> None:
    with pytest.raises(RecordError, match="version 3, this release reads 1 and 2"):
        decode_click(orjson.dumps([3, "x"]))
    with pytest.raises(RecordError, match="version 3, this release reads 1 and 2"):
        decode_postback(orjson.dumps([3, "x"]))


@pytest.mark.parametrize("version", [True, 1.0, 2.0, "2", None, [2], {}])
def test_a_version_is_a_whole_number(version: object) -> None:
    with pytest.raises(RecordError, match="record version"):
        decode_postback(orjson.dumps([version, *"x" * 17]))


def test_a_postback_of_version_1_has_no_nonce() -> None:
    postback = Postback("id", 1, "r", "GET", "h", "q", "", "", "", "", 7, True, 200, None, None, {"event": "ftd"})
    assert decode_postback(orjson.dumps([1, *postback[:-1]])) == postback


@given(data=st.binary(max_size=80))
def test_any_bytes_become_text_that_postgres_takes(data: bytes) -> None:
    text = as_text(data.decode("latin-1"))
    assert "\x00" not in text
    assert text.encode().decode() == text


def test_text_is_read_as_utf8_where_it_is_that() -> None:
    assert as_text("caf\xc3\xa9") == "caf\u00e9"
    assert as_text("caf\xe9") == "caf\ufffd"
    assert as_text("a\x00b") == "a\ufffdb"
