"""From which figures on a part is bad, and that a server that is away makes its parts unknown, never good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from admin_api.health import hosts, judgement
from admin_api.health.facts import DatabaseFacts, HostFacts, RedisFacts
from admin_api.health.installation import HostsBehind, LossesOfAnHour
from admin_api.health.objects import HealthPart, HealthState, Part

DATABASE = DatabaseFacts(
    version="18.0",
    missing_migrations=(),
    last_migration="0026_stream",
    epoch="e",
    published_version=7,
    outbox=0,
    outbox_age_s=None,
    report_batches=0,
    report_age_s=None,
    settling_age_s=None,
    clock_offset_s=0.0,
    ahead_days={"clicks": 7.5, "postbacks": 60.0},
    overdue=0,
    suspended=0,
)
HOST = HostFacts(0.5, 0.0, None, None, "e", 7, 50 << 30, 100 << 30, 10 << 30)
REDIS = RedisFacts({"clicks": 0, "postbacks": 0}, {"clicks": 0, "postbacks": 0}, "e", 7, 0.0, 1 << 20, {"1": HOST})
FIGURES = {"issued": 5, "stored": 5, "in_flight": 0, "declared_lost": 0, "difference": 0}
LEDGER: dict[str, Any] = FIGURES | {"postbacks": FIGURES, "stale": False}


def of_database(**changes: Any) -> dict[HealthPart, Part]:
    return {part.part: part for part in judgement.judge_database(replace(DATABASE, **changes))}


def of_redis(behind_s: dict[str, float] | None = None, **changes: Any) -> dict[HealthPart, Part]:
    return {part.part: part for part in hosts.judge_redis(replace(REDIS, **changes), behind_s or {})}


def of_host(**changes: Any) -> dict[HealthPart, Part]:
    return of_redis(hosts={"1": HOST, "2": replace(HOST, **changes)})


def test_an_installation_without_trouble_is_ok_and_has_nothing_to_do() -> None:
    parts = [*of_database().values(), *of_redis().values()]
    parts += [judgement.judge_backlog(LEDGER), judgement.judge_losses(LEDGER, 0), judgement.judge_size(10)]
    parts += [judgement.judge_publishing(DATABASE), judgement.judge_clocks(DATABASE, REDIS)]
    parts += [judgement.judge_certificates({"a.example": 60.0})]
    assert {part.part for part in parts} == set(HealthPart)
    assert {(part.part, part.state, part.to_do) for part in parts} == {
        (part, HealthState.OK, None) for part in HealthPart
    }


@pytest.mark.parametrize(
    ("changes", "part", "state"),
    [
        ({"missing_migrations": ("0027_x",)}, HealthPart.SCHEMA, HealthState.CRITICAL),
        ({"ahead_days": {"clicks": 2.9}}, HealthPart.PARTITIONS, HealthState.WARNING),
        ({"ahead_days": {"clicks": 0.5}}, HealthPart.PARTITIONS, HealthState.CRITICAL),
        ({"ahead_days": {"clicks": 7.0, "postbacks": 2.0}}, HealthPart.PARTITIONS, HealthState.CRITICAL),
        ({"report_age_s": 61.0}, HealthPart.REPORTS, HealthState.WARNING),
        ({"overdue": 101}, HealthPart.DELIVERIES, HealthState.WARNING),
        ({"suspended": 1}, HealthPart.DELIVERIES, HealthState.WARNING),
    ],
)
def test_what_postgresql_says_is_judged(changes: dict[str, Any], part: HealthPart, state: HealthState) -> None:
    found = of_database(**changes)[part]
    assert found.state is state
    assert found.to_do


@pytest.mark.parametrize(
    ("changes", "part", "state"),
    [
        ({"age_s": 11.0}, HealthPart.HOSTS, HealthState.WARNING),
        ({"age_s": 61.0}, HealthPart.HOSTS, HealthState.CRITICAL),
        ({"oldest_click_s": 31.0}, HealthPart.LAG, HealthState.WARNING),
        ({"oldest_click_s": 301.0}, HealthPart.SPOOLS, HealthState.CRITICAL),
        ({"oldest_postback_s": 31.0}, HealthPart.SPOOLS, HealthState.WARNING),
        ({"disk_free_bytes": 14 << 30}, HealthPart.SPOOL_DISKS, HealthState.WARNING),
        ({"disk_free_bytes": 4 << 30}, HealthPart.SPOOL_DISKS, HealthState.CRITICAL),
    ],
)
def test_a_host_in_trouble_is_named(changes: dict[str, Any], part: HealthPart, state: HealthState) -> None:
    found = of_host(**changes)[part]
    assert found.state is state
    assert found.to_do


def test_jobs_that_wait_or_fail_are_judged_by_queue() -> None:
    assert of_redis(waiting={"clicks": 201, "postbacks": 0})[HealthPart.QUEUES].state is HealthState.WARNING
    found = of_redis(failed={"clicks": 0, "postbacks": 1})[HealthPart.QUEUES]
    assert (found.state, found.figures["failed"]) == (HealthState.WARNING, {"clicks": 0, "postbacks": 1})


def test_an_installation_without_a_host_says_so() -> None:
    assert of_redis(hosts={})[HealthPart.HOSTS].state is HealthState.WARNING


def test_servers_that_are_away_make_their_parts_unknown() -> None:
    without = [*judgement.judge_database(None), *hosts.judge_redis(None, {}), judgement.judge_backlog(None)]
    without += [judgement.judge_losses(None, 0), judgement.judge_publishing(None), judgement.judge_size(None)]
    without += [judgement.judge_clocks(DATABASE, None), judgement.judge_certificates(None)]
    assert {part.part for part in without} == set(HealthPart)
    assert [part.part for part in without if part.state is HealthState.CRITICAL] == ["database", "redis"]
    assert {part.state for part in without} == {HealthState.CRITICAL, HealthState.UNKNOWN}


def test_a_difference_is_critical_unless_the_figures_do_not_fit_together() -> None:
    broken = LEDGER | {"difference": 1}
    assert judgement.judge_losses(broken, 0).state is HealthState.CRITICAL
    assert judgement.judge_losses(broken | {"stale": True}, 0).state is HealthState.OK


def test_losses_are_those_of_the_last_hour() -> None:
    now = [0.0]
    losses = LossesOfAnHour(lambda: now[0])
    assert losses.note(LEDGER | {"declared_lost": 5}) == 0
    now[0] = 10.0
    assert losses.note(LEDGER | {"declared_lost": 8}) == 3
    assert losses.note(None) == 3
    assert judgement.judge_losses(LEDGER, 3).state is HealthState.WARNING
    now[0] = 3700.0
    assert losses.note(LEDGER | {"declared_lost": 8}) == 0


def test_a_host_may_be_behind_for_a_moment() -> None:
    now = [0.0]
    behind = HostsBehind(lambda: now[0])
    late = replace(REDIS, hosts={"1": replace(HOST, version=6), "2": HOST})
    assert behind.note(late) == {"1": 0.0}
    now[0] = 31.0
    assert behind.note(late) == {"1": 31.0}
    assert of_redis(behind_s={"1": 5.0})[HealthPart.MIRRORS].state is HealthState.OK
    assert of_redis(behind_s={"1": 31.0})[HealthPart.MIRRORS].state is HealthState.WARNING
    assert behind.note(REDIS) == {}


def test_every_clock_is_compared_with_that_of_redis() -> None:
    # Redis is 3 s ahead of the admin, and PostgreSQL 1 s ahead of the admin.
    part = judgement.judge_clocks(replace(DATABASE, clock_offset_s=1.0), replace(REDIS, clock_offset_s=3.0))
    assert part.figures == {"host 1": 0.0, "admin": -3.0, "postgresql": -2.0}
    assert part.state is HealthState.WARNING


@pytest.mark.parametrize(
    ("left", "state"), [(13.9, HealthState.WARNING), (2.0, HealthState.CRITICAL), (None, HealthState.WARNING)]
)
def test_a_certificate_that_expires_or_does_not_answer_is_named(left: float | None, state: HealthState) -> None:
    part = judgement.judge_certificates({"a.example": 60.0, "b.example": left})
    assert part.state is state
    assert part.to_do
    assert "b.example" in part.to_do
    assert "a.example" not in part.to_do
