"""The usual way and the careful way store the same of an address, in every mixture of profiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker_cases as cases
from config.geo import GeoDatabases
from tracking.privacy import AddressStorage
from tracking.spool import Batch
from tracking.visitors import visitor_key
from worker.clicks.columns import fast_rows
from worker.clicks.kept_addresses import kept_columns, storage_of
from worker.clicks.rows import click_row
from worker.clicks.visitors import Visitors
from worker.spool import Rules

VISITORS = Visitors(GeoDatabases(), visitor_key(cases.KEY))
STORAGES = dict(enumerate(AddressStorage, 1))
ADDRESSES = ("", "203.0.113.7", "203.0.113.77", "2001:db8:1:2::7", "::ffff:203.0.113.7", "fe80::1%eth0")
TEXTS = st.lists(st.sampled_from([*ADDRESSES, "x", "&", "1", ".", "%3A"]), max_size=4).map("".join)


@given(
    st.lists(
        st.tuples(st.sampled_from(ADDRESSES), st.sampled_from([1, 2, 3, 9]), TEXTS, TEXTS, TEXTS),
        min_size=1,
        max_size=8,
    )
)
def test_both_ways_store_the_same(given_clicks: list[tuple[str, int, str, str, str]]) -> None:
    made = [
        cases.click(ip=ip, profile_id=profile_id, query=f"sub1={query}", referrer=referrer, location=location)
        for ip, profile_id, query, referrer, location in given_clicks
    ]
    payloads = cases.payloads(made)
    rules = Rules([cases.KEY], made[0].at_ms)
    VISITORS.storages = STORAGES
    usual = fast_rows(Batch(cases.SPOOL, 0, payloads), rules, VISITORS)
    assert usual is not None
    careful = [click_row(payload, cases.SPOOL, number, rules, VISITORS) for number, payload in enumerate(payloads)]
    assert usual.lines == [row.line for row in careful]


@pytest.mark.parametrize("storages", [None, dict.fromkeys((1, 2, 3), AddressStorage.WHOLE)])
def test_nothing_is_copied_where_all_is_whole(storages: dict[int, AddressStorage] | None) -> None:
    columns = [(1, 1)] * 18
    assert kept_columns(columns, ("a", "b"), storages)[0] is columns


def test_a_profile_that_is_gone_truncates() -> None:
    assert storage_of(99, STORAGES) is AddressStorage.TRUNCATED
