"""The table of visitors seen before: what it remembers, for how long, how much, and what the disk does to it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from edge.routing.seen_visitors import REMEMBERED_HOURS, SeenVisitors
from tracking.routing import visitor_seed

NOW = 490_000
SMALL = 1 << 12


@lru_cache(4)
def seeds(count: int, link_id: int = 1) -> list[int]:
    return [visitor_seed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "Mozilla/5.0", link_id) for n in range(count)]


def visit(table: SeenVisitors, seed: int, hour: int = NOW) -> bool:
    return table.is_returning(seed, hour, remember=True)


def look(table: SeenVisitors, seed: int, hour: int = NOW) -> bool:
    return table.is_returning(seed, hour, remember=False)


def test_a_visitor_is_new_once_and_on_each_link(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    here, there = visitor_seed("192.0.2.1", "A", 1), visitor_seed("192.0.2.1", "A", 2)
    assert [visit(table, here) for _ in range(3)] == [False, True, True]
    assert visit(table, there) is False


def test_a_look_alone_leaves_a_visitor_new(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    assert [look(table, 5 << 32) for _ in range(2)] == [False, False]


def test_a_test_click_sees_who_was_here_and_remembers_nobody(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    visit(table, 5 << 32)
    unchanged = table.unchanged()
    assert [visit(unchanged, seed) for seed in (5 << 32, 6 << 32, 6 << 32)] == [True, False, False]
    assert not visit(table, 6 << 32)


def test_a_visitor_who_was_away_for_too_long_is_new_again_and_each_visit_begins_anew(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    hours = [NOW, NOW + REMEMBERED_HOURS, NOW + 2 * REMEMBERED_HOURS, NOW + 3 * REMEMBERED_HOURS + 1]
    assert [visit(table, 7 << 40, hour) for hour in hours] == [False, True, True, False]


def test_a_clock_that_is_set_back_forgets_nobody(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    assert [visit(table, 7 << 40, hour) for hour in (NOW + 50, NOW, NOW + 1)] == [False, True, True]


def test_another_process_and_the_next_one_see_what_one_has_noted(tmp_path: Path) -> None:
    one, other = SeenVisitors(tmp_path, SMALL), SeenVisitors(tmp_path, SMALL)
    assert not visit(one, seeds(9)[0])
    assert visit(other, seeds(9)[0])
    child = os.fork()
    if not child:
        # As after kill -9: nothing is closed or flushed.
        visit(SeenVisitors(tmp_path, SMALL), 99 << 40)
        os._exit(0)
    os.waitpid(child, 0)
    assert look(SeenVisitors(tmp_path, SMALL), 99 << 40)


def test_a_quarter_full_the_table_forgets_hardly_anybody_and_half_full_one_visitor_in_120(tmp_path: Path) -> None:
    places = 1 << 15
    table, visitors = SeenVisitors(tmp_path, places), seeds(places // 2)
    quarter = visitors[: places // 4]
    assert not any(visit(table, seed) for seed in quarter)
    assert sum(not look(table, seed) for seed in quarter) < len(quarter) / 1_500
    assert not any(visit(table, seed) for seed in visitors[places // 4 :])
    forgotten = sum(not look(table, seed) for seed in visitors)
    assert len(visitors) / 180 < forgotten < len(visitors) / 80
    assert not any(look(table, seed) for seed in seeds(places // 2, link_id=2))


def test_a_table_that_overflows_forgets_those_seen_least_lately(tmp_path: Path) -> None:
    places = 1 << 10
    table, visitors = SeenVisitors(tmp_path, places), seeds(4 * places)
    for number, seed in enumerate(visitors):
        visit(table, seed, NOW + number // 500)
    assert sum(look(table, seed, NOW + 9) for seed in visitors[: 2 * places]) < places // 20
    assert sum(look(table, seed, NOW + 9) for seed in visitors[-places // 2 :]) > places // 3


def test_the_file_has_its_size_from_the_first_look_and_never_grows(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []
    for seed in seeds(3 * SMALL):
        visit(table, seed)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [8 * SMALL]


def test_where_the_file_cannot_be_made_the_process_remembers_alone(tmp_path: Path) -> None:
    table = SeenVisitors(tmp_path / "missing", SMALL)
    assert [visit(table, seeds(9)[0]) for _ in range(2)] == [False, True]
    assert not visit(SeenVisitors(tmp_path / "missing", SMALL), seeds(9)[0])


def test_threads_of_one_process_use_one_table(tmp_path: Path) -> None:
    table, visitors = SeenVisitors(tmp_path, 1 << 14), seeds(1_000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: visit(table, seed), visitors * 2))
    assert sum(look(table, seed) for seed in visitors) >= len(visitors) - 2
