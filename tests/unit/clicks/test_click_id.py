"""Click ids: valid UUIDv7, unique whatever the clock and the processes do, refused when forged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.clicks import NODE_MAX, SLOT_MAX, ClickIdMint, ProcessIdentity, clicked_at, first_click_id, parse_click_id
from tracking.clicks.click_id import GENERATION_COUNT, SEQUENCE_COUNT

KEY = b"k" * 32
OTHER_KEY = b"o" * 32
IDENTITY = ProcessIdentity(1, 2, 3)
NOW_NS = 1_790_000_000_123_456_789
NOW_MS = NOW_NS // 1_000_000


def mint_at(moments_ns: list[int], identity: ProcessIdentity = IDENTITY) -> ClickIdMint:
    """Return a mint whose clock gives `moments_ns` in turn and then stays at the last one."""
    moments = iter(moments_ns)
    last = moments_ns[-1]
    return ClickIdMint([KEY], identity, lambda: next(moments, last))


def test_an_id_is_a_uuid_of_version_7_that_names_its_moment() -> None:
    text, at_ms = mint_at([NOW_NS]).mint()
    value = UUID(text)
    assert (value.version, value.variant) == (7, RFC_4122)
    assert at_ms == NOW_MS
    assert clicked_at(value) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=NOW_MS)


def test_a_minted_id_is_accepted_in_any_case_and_with_space_around() -> None:
    text, _ = mint_at([NOW_NS]).mint()
    assert parse_click_id(f"  {text.upper()}\n", [KEY]) == UUID(text)


def test_an_id_of_a_retired_key_is_accepted_and_of_an_unknown_one_refused() -> None:
    text, _ = mint_at([NOW_NS]).mint()
    assert parse_click_id(text, [OTHER_KEY, KEY]) == UUID(text)
    assert parse_click_id(text, [OTHER_KEY]) is None


@given(bit=st.integers(0, 127))
def test_an_id_with_any_bit_flipped_is_refused(bit: int) -> None:
    text, _ = mint_at([NOW_NS]).mint()
    assert parse_click_id(str(UUID(int=UUID(text).int ^ (1 << bit))), [KEY]) is None


@given(tag=st.integers(0, (1 << 24) - 1))
def test_an_invented_tag_is_refused(tag: int) -> None:
    genuine = UUID(mint_at([NOW_NS]).mint()[0]).int
    forged = genuine >> 24 << 24 | tag
    assert parse_click_id(str(UUID(int=forged)), [KEY]) is None or forged == genuine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "{click_id}",
        "00000000-0000-0000-0000-000000000000",
        "01a2b3c4d5e67f008000000000000000",
        "01a2b3c4-d5e6-4f00-8000-000000000000",
        "01a2b3c4-d5e6-7f00-c000-000000000000",
        "01a2b3c4-d5e6-7f00-8000-00000000000g",
        "01a2b3c4-d5e6-7f00-8000-000000000000'",
        "\uff10" * 36,
        "a" * 100_000,
    ],
)
def test_what_is_no_click_id_is_refused(text: str) -> None:
    assert parse_click_id(text, [KEY]) is None


@given(text=st.text(max_size=60))
def test_parsing_never_raises(text: str) -> None:
    assert parse_click_id(text, [KEY]) is None


def test_ids_grow_when_the_clock_steps_back() -> None:
    mint = mint_at([NOW_NS, NOW_NS - 3_600_000_000_000, NOW_NS - 1, NOW_NS + 1_000_000])
    ids = [mint.mint()[0] for _ in range(4)]
    assert ids == sorted(set(ids))


def test_a_millisecond_that_runs_out_borrows_the_next_one() -> None:
    mint = mint_at([NOW_NS])
    moments = [mint.mint()[1] for _ in range(SEQUENCE_COUNT + 1)]
    assert moments[0] == moments[SEQUENCE_COUNT - 1] == NOW_MS
    assert moments[SEQUENCE_COUNT] == NOW_MS + 1


@given(
    first=st.tuples(st.integers(0, NODE_MAX), st.integers(0, SLOT_MAX), st.integers(0, GENERATION_COUNT - 1)),
    second=st.tuples(st.integers(0, NODE_MAX), st.integers(0, SLOT_MAX), st.integers(0, GENERATION_COUNT - 1)),
)
def test_two_runs_never_mint_the_same_id_in_the_same_moment(
    first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    one = mint_at([NOW_NS], ProcessIdentity(*first)).mint()[0]
    other = mint_at([NOW_NS], ProcessIdentity(*second)).mint()[0]
    assert (one == other) == (first == second)


@pytest.mark.parametrize(("node", "slot"), [(-1, 0), (NODE_MAX + 1, 0), (0, -1), (0, SLOT_MAX + 1)])
def test_an_identity_out_of_range_is_refused(node: int, slot: int) -> None:
    with pytest.raises(ValueError, match="node must be"):
        ClickIdMint([KEY], ProcessIdentity(node, slot, 0))


def test_a_partition_bound_is_not_above_any_id_of_its_day() -> None:
    day = datetime(2026, 9, 21, tzinfo=UTC)
    midnight_ns = int(day.timestamp()) * 1_000_000_000
    first = UUID(mint_at([midnight_ns]).mint()[0])
    before = UUID(mint_at([midnight_ns - 1]).mint()[0])
    assert before < first_click_id(day) <= first
