"""The dynamic variable: reversible for every click id, in any case, and as hard to forge as the id itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.clicks import NODE_MAX, SLOT_MAX, ClickIdMint, ProcessIdentity, encode_dyn, parse_dyn
from tracking.clicks.click_id import GENERATION_COUNT

KEY = b"k" * 16
identities = st.builds(
    ProcessIdentity, st.integers(0, NODE_MAX), st.integers(0, SLOT_MAX), st.integers(0, GENERATION_COUNT - 1)
)


def click_id_at(at_ms: int, identity: ProcessIdentity = ProcessIdentity(1, 2, 3)) -> str:  # noqa: B008 - a value
    return ClickIdMint([KEY], identity, lambda: at_ms * 1_000_000).mint()[0]


@given(at_ms=st.integers(1, 2**48 - 1), identity=identities, prefix=st.sampled_from(["DP", "ABC", "WXYZ"]))
def test_every_click_id_comes_back(at_ms: int, identity: ProcessIdentity, prefix: str) -> None:
    click_id = click_id_at(at_ms, identity)
    dyn = encode_dyn(prefix, click_id)
    assert re.fullmatch(prefix + "[0-9A-Z]{24}", dyn)
    for text in (dyn, dyn.lower(), f" {dyn} "):
        assert str(parse_dyn(text, [b"another key of 16 bytes", KEY])) == click_id


def test_a_dynamic_variable_takes_neither_another_key_nor_another_character() -> None:
    dyn = encode_dyn("DP", click_id_at(1_789_000_000_000))
    assert parse_dyn(dyn, [b"x" * 16]) is None
    for at in range(2, len(dyn)):
        other = dyn[:at] + ("0" if dyn[at] != "0" else "1") + dyn[at + 1 :]
        assert parse_dyn(other, [KEY]) is None, at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DP",
        "DP" + "0" * 23,
        "DP" + "0" * 25,
        "D" + "0" * 24,
        "ABCDE" + "0" * 24,
        "DP" + "Z" * 24,
        "DP" + "-" * 24,
        "12" + "0" * 24,
        "DP" + "0" * 23 + "é",
        "DP" + "0" * 23 + "\x00",
        "DP" + "_" * 24,
        "D P" + "0" * 24,
    ],
)
def test_what_is_no_dynamic_variable_is_none(text: str) -> None:
    assert parse_dyn(text, [KEY]) is None


@given(st.text(max_size=40))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert parse_dyn(text, [KEY]) is None
