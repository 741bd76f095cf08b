"""Judges what Redis says: its queues, and the edge hosts that report there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from admin_api.health.facts import HostFacts, RedisFacts
from admin_api.health.judgement import Limits, measured, plain, unknown, worst
from admin_api.health.objects import HealthPart, HealthState, Part

LAG_S = Limits(30, 300)
QUEUE_JOBS = Limits(200, 2_000)
HOST_SILENT_S = Limits(10, 60)
OLDEST_RECORD_S = Limits(30, 300)
DISK_FREE = Limits(0.15, 0.05)
MIRROR_BEHIND_S = Limits(30, 300)


def judge_redis(facts: RedisFacts | None, behind_s: Mapping[str, float]) -> Iterator[Part]:
    """Yield the parts that Redis tells of. `behind_s` says how long hosts have served an older configuration."""
    if facts is None:
        yield plain(
            HealthPart.REDIS,
            HealthState.CRITICAL,
            "Redis did not answer within a second",
            "start it; meanwhile redirects go on, clicks wait in the spools and changes wait to be published",
        )
        for part in (
            *(HealthPart.LAG, HealthPart.QUEUES, HealthPart.HOSTS, HealthPart.SPOOLS),
            *(HealthPart.SPOOL_DISKS, HealthPart.MIRRORS),
        ):
            yield unknown(part, "Redis")
        return
    yield plain(HealthPart.REDIS, HealthState.OK, "Redis answers", figures={"used_bytes": facts.used_bytes})
    yield _queues(facts)
    yield from _hosts(facts.hosts)
    yield from _spools(facts.hosts)
    late = [node for node, seconds in behind_s.items() if MIRROR_BEHIND_S.state(seconds) is not HealthState.OK]
    yield measured(
        HealthPart.MIRRORS,
        worst([MIRROR_BEHIND_S.state(seconds) for seconds in behind_s.values()]),
        f"{len(late)} of {len(facts.hosts)} hosts still serve an older configuration than version"
        f" {facts.published_version}",
        f"see the agent's log on host {', '.join(late)}",
        {"version": facts.published_version, "hosts": {node: host.version for node, host in facts.hosts.items()}},
    )


def _queues(facts: RedisFacts) -> Part:
    states = [QUEUE_JOBS.state(count) for count in facts.waiting.values()]
    failed = sum(facts.failed.values())
    longest = max(facts.waiting, key=lambda name: facts.waiting[name])
    return measured(
        HealthPart.QUEUES,
        worst([*states, HealthState.WARNING if failed else HealthState.OK]),
        f"{facts.waiting[longest]} jobs wait in {longest}, the longest queue; {failed} failed in the last minutes",
        "see that a worker of each queue runs, and what its log says about jobs that failed; they are sent again",
        {
            "waiting": {str(k): v for k, v in facts.waiting.items()},
            "failed": {str(k): v for k, v in facts.failed.items()},
        },
    )


def _hosts(hosts: Mapping[str, HostFacts]) -> Iterator[Part]:
    silent = {node: round(host.age_s, 1) for node, host in hosts.items()}
    state = worst([HOST_SILENT_S.state(age_s) for age_s in silent.values()])
    quiet = [node for node, age_s in silent.items() if HOST_SILENT_S.state(age_s) is not HealthState.OK]
    yield measured(
        HealthPart.HOSTS,
        state if hosts else HealthState.WARNING,
        f"{len(hosts) - len(quiet)} of {len(hosts)} edge hosts report",
        f"see that an agent runs on host {', '.join(quiet)}" if quiet else "start the agent of an edge host",
        {"silent_s": silent},
    )
    clicks = {node: host.oldest_click_s for node, host in hosts.items()}
    oldest = max((age_s for age_s in clicks.values() if age_s is not None), default=0.0)
    yield measured(
        HealthPart.LAG,
        LAG_S.state(oldest),
        f"the oldest click that is not stored is {oldest:.1f} s old",
        "see that click workers and PostgreSQL run; the clicks are safe in the spools",
        {"seconds": round(oldest, 3)},
    )


def _spools(hosts: Mapping[str, HostFacts]) -> Iterator[Part]:
    ages = {
        node: {"click_s": host.oldest_click_s, "postback_s": host.oldest_postback_s} for node, host in hosts.items()
    }
    late = [
        node
        for node, host in hosts.items()
        if OLDEST_RECORD_S.state(max(host.oldest_click_s or 0.0, host.oldest_postback_s or 0.0)) is not HealthState.OK
    ]
    yield measured(
        HealthPart.SPOOLS,
        worst([OLDEST_RECORD_S.state(age_s or 0.0) for each in ages.values() for age_s in each.values()]),
        f"records wait for long in the spools of {len(late)} hosts",
        f"see the log of the agent on host {', '.join(late)}, and that workers run",
        {"oldest": ages},
    )
    free = {node: host.disk_free_bytes / max(host.disk_bytes, 1) for node, host in hosts.items()}
    full = [node for node, share in free.items() if DISK_FREE.state(share) is not HealthState.OK]
    yield measured(
        HealthPart.SPOOL_DISKS,
        worst([DISK_FREE.state(share) for share in free.values()]),
        f"the disks of {len(full)} spools are filling up",
        f"make room on host {', '.join(full)}; when a disk is full, clicks are redirected and declared lost",
        {node: {"free_bytes": host.disk_free_bytes, "bytes": host.disk_bytes} for node, host in hosts.items()},
    )
