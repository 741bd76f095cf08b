"""The shared memory of caps: rows are found, periods do not mix, and files that are not whole are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.caps import Caps, Grants
from edge.caps.table import CAPS_MAX, ROWS, find_row, first_row, map_grants
from tracking.caps import ALWAYS, Period

NOON = 1_795_608_000
TODAY = Period(NOON - 43_200, NOON + 43_200)
TOMORROW = Period(TODAY.end_s, TODAY.end_s + 86_400)
# Ids that want the same few rows, the last ones of the table among them.
IDS = st.sampled_from([cap_id for cap_id in range(1, 100_000) if first_row(cap_id) in (0, 1, 2, ROWS - 1)])


class Host:
    """A host at noon, with a grant for cap 5 today."""

    def __init__(self, directory: Path, granted: int = 3) -> None:
        self.directory = directory
        self.at_s = float(NOON)
        self.grants = Grants(directory)
        row = self.grants.row(5)
        assert row is not None
        self.row = row
        self.grants.begin(row, 0, TODAY)
        self.grants.grant(row, 0, granted)

    def process(self, slot: int) -> Caps:
        return Caps(self.directory, f"0-{slot}", lambda: self.at_s)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@given(changes=st.lists(st.tuples(st.booleans(), IDS), max_size=60))
def test_a_cap_is_found_exactly_while_it_has_a_row(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[bool, int]]
) -> None:
    directory = tmp_path_factory.mktemp("host")
    grants, rows = Grants(directory), {}
    for is_added, cap_id in changes:
        if is_added:
            rows[cap_id] = grants.row(cap_id)
        elif cap_id in rows:
            grants.remove(cap_id)
            del rows[cap_id]
    words = map_grants(directory)
    assert len(set(rows.values())) == len(rows)
    assert {cap_id: find_row(words, cap_id) for cap_id in rows} == rows
    gone = {cap_id for _, cap_id in changes} - rows.keys()
    assert all(find_row(words, cap_id) is None for cap_id in gone)
    assert Grants(directory).cap_ids() == rows.keys()


def test_processes_take_what_the_host_was_granted_and_no_more(host: Host) -> None:
    first, second = host.process(0), host.process(1)
    assert [first.take([5]), second.take([5]), first.take([5]), second.take([5])] == [True, True, True, False]
    assert host.grants.used(host.row, 0) == 3
    assert host.grants.refused(host.row) == 1


def test_a_refused_click_is_not_counted_as_used(host: Host) -> None:
    process = host.process(0)
    for _ in range(10):
        process.take([5])
    host.grants.grant(host.row, 0, 4)
    assert process.take([5])
    assert not process.take([5])


def test_a_process_goes_on_where_the_killed_one_of_its_slot_was(host: Host) -> None:
    assert host.process(0).take([5])
    again = host.process(0)
    assert [again.take([5]) for _ in range(3)] == [True, True, False]


def test_a_killed_agent_finds_its_grants_again(host: Host) -> None:
    host.process(0).take([5])
    again = Grants(host.directory)
    assert again.token == host.grants.token
    assert (again.row(5), again.granted(host.row, 0), again.used(host.row, 0)) == (host.row, 3, 1)


def test_the_next_period_begins_by_itself_with_nothing_used(host: Host) -> None:
    process = host.process(0)
    assert sum(process.take([5]) for _ in range(5)) == 3
    host.grants.begin(host.row, 1, TOMORROW)
    host.grants.grant(host.row, 1, 2)
    host.at_s = TODAY.end_s - 0.001
    assert not process.has_left([5])
    host.at_s = TODAY.end_s
    assert sum(process.take([5]) for _ in range(5)) == 2


def test_a_half_that_is_given_to_another_period_forgets_what_was_used(host: Host) -> None:
    process = host.process(0)
    assert sum(process.take([5]) for _ in range(5)) == 3
    host.grants.begin(host.row, 0, ALWAYS)
    assert not process.take([5])
    host.grants.grant(host.row, 0, 4)
    assert sum(process.take([5]) for _ in range(9)) == 4
    assert host.grants.used(host.row, 0) == 4


def test_a_row_that_goes_to_another_cap_gives_nothing_to_the_former_one(host: Host) -> None:
    process = host.process(0)
    assert process.take([5])
    host.grants.remove(5)
    other = next(cap_id for cap_id in range(6, 10 * ROWS) if first_row(cap_id) == first_row(5))
    row = host.grants.row(other)
    assert row == host.row
    host.grants.begin(row, 0, TODAY)
    host.grants.grant(row, 0, 7)
    assert not process.has_left([5])
    assert not process.take([5])
    assert sum(process.take([other]) for _ in range(9)) == 7


def test_a_lowered_grant_is_kept_to(host: Host) -> None:
    process = host.process(0)
    assert process.take([5])
    host.grants.grant(host.row, 0, 1)
    assert not process.take([5])


def test_the_file_of_a_process_that_was_killed_as_it_began_is_passed_over(host: Host) -> None:
    (host.directory / "caps-1.0-9").write_bytes(b"\0" * 100)
    process = host.process(0)
    assert process.take([5])
    assert Grants(host.directory).used(host.row, 0) == 1


def test_after_a_reboot_nothing_is_taken_until_the_agent_has_begun_anew(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.caps.caps.boot_word", lambda: 1)
    monkeypatch.setattr("edge.caps.grants.boot_word", lambda: 1)
    process = host.process(0)
    assert not process.take([5])
    renewed = Grants(host.directory)
    assert renewed.token != host.grants.token
    assert renewed.cap_ids() == set()
    assert not process.take([5])


def test_a_full_table_leaves_out_what_comes_last(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    grants = Grants(tmp_path)
    for cap_id in range(1, CAPS_MAX + 1):
        grants.row(cap_id)
    assert grants.row(CAPS_MAX + 1) is None
    assert "counts as exhausted" in caplog.text
    assert not Caps(tmp_path, "0-0").take([CAPS_MAX + 1])
    grants.remove(7)
    assert grants.row(CAPS_MAX + 1) is not None
