"""Progress of a spool: any batches in any order, overlapping or repeated, leave each number accounted for once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracking.spool import Batch, Progress, decode_progress, encode_progress, spool_id, stream_of

ranges = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def accounted(progress: Progress) -> set[int]:
    return set(range(progress.done)).union(*(range(first, end) for first, end in progress.ahead))


@given(batches=st.lists(ranges, max_size=30), asked=ranges)
def test_progress_is_the_set_of_all_numbers_added(batches: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    progress = Progress()
    numbers: set[int] = set()
    for first, end in batches:
        gaps = progress.gaps(first, end)
        assert {n for low, high in gaps for n in range(low, high)} == set(range(first, end)) - numbers
        progress = progress.add(first, end)
        numbers.update(range(first, end))
        assert accounted(progress) == numbers
    assert progress.covers(*asked) == set(range(*asked)).issubset(numbers)


@given(batches=st.lists(ranges, max_size=30))
def test_progress_is_kept_in_its_shortest_form(batches: list[tuple[int, int]]) -> None:
    progress = Progress()
    for first, end in batches:
        progress = progress.add(first, end)
    bounds = [progress.done, *(bound for pair in progress.ahead for bound in pair)]
    assert bounds == sorted(set(bounds))


@given(batches=st.lists(ranges, max_size=10))
def test_progress_is_read_back(batches: list[tuple[int, int]]) -> None:
    progress = Progress()
    for first, end in batches:
        progress = progress.add(first, end)
    assert decode_progress(encode_progress(progress)) == progress


def test_nothing_is_always_covered() -> None:
    assert Progress().covers(5, 5)
    assert Progress().add(5, 5) == Progress()


def test_a_batch_accounts_for_its_payloads_and_the_missing_numbers_after_them() -> None:
    assert Batch("7-0-ab-clicks", 10, ["a", "b"], 3).end == 15


def test_a_spool_names_its_stream() -> None:
    assert spool_id(7, 0, "3fa9c1", "clicks") == "7-0-3fa9c1-clicks"
    assert stream_of("7-0-3fa9c1-postbacks") == "postbacks"
