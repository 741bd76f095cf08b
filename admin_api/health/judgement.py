"""Judges facts: from which figure on a part is a warning or critical, and what to do about it. Pure.

The limits are those of docs/operations.md and of deploy/prometheus/waypost-alerts.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from admin_api.health.facts import DatabaseFacts, RedisFacts
from admin_api.health.objects import HealthPart, HealthState, Part

_ORDER = tuple(HealthState)


class Limits(NamedTuple):
    """From which figure on a part is a warning, and from which it is critical. Falling figures have them reversed."""

    warning: float
    critical: float

    def state(self, figure: float) -> HealthState:
        """Return how a figure is."""
        sign = -1 if self.warning > self.critical else 1
        if sign * figure > sign * self.critical:
            return HealthState.CRITICAL
        return HealthState.WARNING if sign * figure > sign * self.warning else HealthState.OK


BACKLOG_RECORDS = Limits(100_000, 1_000_000)
CLOCK_OFFSET_S = Limits(1, 10)
PUBLISHING_S = Limits(30, 300)
CLICK_DAYS_AHEAD = Limits(3, 1)
MONTH_DAYS_AHEAD = Limits(14, 3)
REPORT_QUEUE_S = Limits(60, 600)
DELIVERIES_OVERDUE = Limits(100, 10_000)
CERTIFICATE_DAYS = Limits(14, 3)


def worst(states: Sequence[HealthState]) -> HealthState:
    """Return the worst of some states; ok if there are none."""
    return max(states, key=_ORDER.index, default=HealthState.OK)


def unknown(part: HealthPart, server: str) -> Part:
    """Return a part of which nothing is known, since a server does not answer."""
    to_do = f"see that {server} runs and can be reached"
    return plain(part, HealthState.UNKNOWN, f"{server} did not answer in time", to_do)


def judge_database(facts: DatabaseFacts | None) -> Iterator[Part]:
    """Yield the parts that PostgreSQL alone tells of."""
    if facts is None:
        yield plain(
            HealthPart.DATABASE,
            HealthState.CRITICAL,
            "PostgreSQL did not answer within a second",
            "start it; meanwhile redirects go on and clicks wait in the spools",
        )
        for part in (HealthPart.SCHEMA, HealthPart.PARTITIONS, HealthPart.REPORTS, HealthPart.DELIVERIES):
            yield unknown(part, "PostgreSQL")
        return
    yield plain(HealthPart.DATABASE, HealthState.OK, f"PostgreSQL {facts.version} answers")
    missing = facts.missing_migrations
    yield plain(
        HealthPart.SCHEMA,
        HealthState.CRITICAL if missing else HealthState.OK,
        f"the schema is at {facts.last_migration}" + (f" and lacks {', '.join(missing)}" if missing else ""),
        "run `python -m admin_api.migrate`" if missing else None,
        {"migration": facts.last_migration, "missing": list(missing)},
    )
    yield _partitions(facts)
    yield measured(
        HealthPart.REPORTS,
        REPORT_QUEUE_S.state(facts.report_age_s or 0.0),
        f"{facts.report_batches} batches wait to be folded into reports",
        "see that a maintenance worker runs; reports stay right, and become slower",
        {"batches": facts.report_batches, "oldest_s": facts.report_age_s, "settling_oldest_s": facts.settling_age_s},
    )
    overdue = DELIVERIES_OVERDUE.state(facts.overdue)
    yield measured(
        HealthPart.DELIVERIES,
        worst([overdue, HealthState.WARNING if facts.suspended else HealthState.OK]),
        f"{facts.overdue} deliveries are overdue, {facts.suspended} outgoing postbacks are suspended",
        "see that a deliveries worker runs, and work through issues of the kind delivery-suspended",
        {"overdue": facts.overdue, "suspended": facts.suspended},
    )


def judge_backlog(ledger: Mapping[str, Any] | None) -> Part:
    """Return the part about what waits between edge and database."""
    if ledger is None:
        return unknown(HealthPart.BACKLOG, "the ledger")
    figures = {"clicks": ledger["in_flight"], "postbacks": ledger["postbacks"]["in_flight"]}
    return measured(
        HealthPart.BACKLOG,
        BACKLOG_RECORDS.state(max(figures.values())),
        f"{figures['clicks']} clicks and {figures['postbacks']} postbacks wait to be stored",
        "see that click and postback workers run, and start more of them",
        figures,
    )


def judge_losses(ledger: Mapping[str, Any] | None, lost_lately: int) -> Part:
    """Return the loss meter; `lost_lately` is what was declared lost in the last hour."""
    if ledger is None:
        return unknown(HealthPart.LOSS_METER, "the ledger")
    streams = {"clicks": ledger, "postbacks": ledger["postbacks"]}
    differences = {name: figures["difference"] for name, figures in streams.items()}
    differs = any(differences.values()) and not ledger["stale"]
    state = HealthState.CRITICAL if differs else HealthState.WARNING if lost_lately else HealthState.OK
    names = ("issued", "stored", "in_flight", "declared_lost", "difference")
    return measured(
        HealthPart.LOSS_METER,
        state,
        f"{differences['clicks']} clicks and {differences['postbacks']} postbacks are unaccounted for;"
        f" {lost_lately} records were declared lost in the last hour",
        "a difference is a fault: keep the logs and the spools and look for the spool in GET /v1/ledger"
        if differs
        else "see which edge's disk was full or failed; its log says so",
        {name: {each: figures[each] for each in names} for name, figures in streams.items()}
        | {"declared_lost_last_hour": lost_lately, "stale": ledger["stale"]},
    )


def judge_publishing(facts: DatabaseFacts | None) -> Part:
    """Return what changes of the configuration wait for."""
    if facts is None:
        return unknown(HealthPart.PUBLISHING, "PostgreSQL")
    return measured(
        HealthPart.PUBLISHING,
        PUBLISHING_S.state(facts.outbox_age_s or 0.0),
        f"{facts.outbox} changes wait to be published",
        "see that Redis runs, and what the admin's log says about the publisher",
        {"waiting": facts.outbox, "oldest_s": facts.outbox_age_s, "version": facts.published_version},
    )


def judge_clocks(database: DatabaseFacts | None, redis: RedisFacts | None) -> Part:
    """Return how far the clocks are from that of Redis, in seconds: the hosts', the admin's and PostgreSQL's."""
    if redis is None:
        return unknown(HealthPart.CLOCKS, "Redis")
    # What is ahead of the admin's clock is as much more ahead of Redis's as that is behind the admin's.
    offsets = {f"host {node}": host.clock_offset_s for node, host in redis.hosts.items()}
    offsets["admin"] = -redis.clock_offset_s
    if database is not None:
        offsets["postgresql"] = round(database.clock_offset_s - redis.clock_offset_s, 4)
    worst_name = max(offsets, key=lambda name: abs(offsets[name]))
    return measured(
        HealthPart.CLOCKS,
        CLOCK_OFFSET_S.state(abs(offsets[worst_name])),
        f"the clock of {worst_name} is {offsets[worst_name]:+.3f} s off that of Redis, the farthest of all",
        "let chrony or systemd-timesyncd set the clocks; clicks are counted for the day of their host's clock",
        offsets,
    )


def judge_certificates(days: Mapping[str, float | None] | None) -> Part:
    """Return for how long certificates are valid: days by tracking domain, None for one that does not answer."""
    if days is None:
        return plain(HealthPart.CERTIFICATES, HealthState.UNKNOWN, "the tracking domains are not checked yet", None)
    states = {
        name: HealthState.WARNING if left is None else CERTIFICATE_DAYS.state(left) for name, left in days.items()
    }
    bad = [name for name, state in states.items() if state is not HealthState.OK]
    return measured(
        HealthPart.CERTIFICATES,
        worst([*states.values()]),
        f"{len(bad)} of {len(days)} tracking domains have no certificate, or one that expires soon",
        f"see GET /v1/profiles/PROFILE_ID/domain of {', '.join(bad[:5])}",
        {"days": dict(days)},
    )


def judge_size(size: int | None) -> Part:
    """Return the size of the database. How much room there is only its host knows."""
    if size is None:
        return unknown(HealthPart.DATABASE_SIZE, "PostgreSQL")
    return plain(
        HealthPart.DATABASE_SIZE, HealthState.OK, f"the database has {size / 1e9:.1f} GB", figures={"bytes": size}
    )


def _partitions(facts: DatabaseFacts) -> Part:
    states = [
        (CLICK_DAYS_AHEAD if table == "clicks" else MONTH_DAYS_AHEAD).state(days)
        for table, days in facts.ahead_days.items()
    ]
    clicks = facts.ahead_days["clicks"]
    return measured(
        HealthPart.PARTITIONS,
        worst(states),
        f"clicks have partitions for {clicks:.1f} days ahead",
        "see that a maintenance worker runs; it makes them every hour",
        {"days_ahead": dict(facts.ahead_days)},
    )


def measured(part: HealthPart, state: HealthState, summary: str, to_do: str, figures: dict[str, Any]) -> Part:
    """Return a part with what to do if it is not ok."""
    return plain(part, state, summary, None if state is HealthState.OK else to_do, figures)


def plain(
    part: HealthPart,
    state: HealthState,
    summary: str,
    to_do: str | None = None,
    figures: dict[str, Any] | None = None,
) -> Part:
    """Return a part as it is given."""
    return Part(part=part, state=state, summary=summary, to_do=to_do, figures=figures or {})
