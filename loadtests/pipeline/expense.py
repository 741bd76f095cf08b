"""What a measurement cost: CPU by program, Redis commands, bytes in PostgreSQL's files and in its log."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psycopg
from redis import Redis

from loadtests.pipeline.stack import Stack

_PROC = Path("/proc")
# The first that a command line contains names the process.
_NAMES = {
    "edge.agent": "agent",
    "worker clicks": "worker clicks",
    "worker ": "other workers",
    "edge.wsgi": "edge",
    "granian": "edge",
    "admin_api": "admin",
    "admin": "admin",
    "valkey": "Valkey",
    "postgres": "PostgreSQL",
    "config.up": "supervisor",
    "loadtests.pipeline": "load",
}
_SIZES = (
    "select coalesce(sum(pg_table_size(inhrelid) - coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0)), 0),"
    " coalesce(sum(pg_indexes_size(inhrelid)), 0),"
    " coalesce(sum(coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0)), 0)"
    " from pg_inherits join pg_class on pg_class.oid = inhrelid where inhparent = 'clicks'::regclass"
)


class Expense(NamedTuple):
    """Totals since the stack began. `cpu_s` is by program name; `commands` are Redis commands by name.

    `cores_s` is what all cores of the machine did: busy, idle, waiting for a disk, or taken away by its hypervisor.
    """

    cpu_s: Counter[str]
    commands: Counter[str]
    cores_s: Counter[str]
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    wal_bytes: int
    wal_images_bytes: int

    def since(self, earlier: Expense) -> Expense:
        """Return what was spent between two looks."""
        counts = [late.copy() for late in (self.cpu_s, self.commands, self.cores_s)]
        for late, early in zip(counts, earlier[:3], strict=True):
            late.subtract(early)
        sizes = [late - early for late, early in zip(self[3:], earlier[3:], strict=True)]
        return Expense(+counts[0], +counts[1], counts[2], *sizes)


def expense(stack: Stack) -> Expense:
    """Return the totals of a stack at this moment."""
    with stack.database() as connection, stack.redis() as redis:
        heap, index, toast = (int(str(value)) for value in _row(connection, _SIZES))
        (wal,) = _row(connection, "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        (images,) = _row(connection, "select wal_fpi * 8192 from pg_stat_wal")
        commands = _commands(redis)
    return Expense(_cpu_s(), commands, _cores_s(), heap, index, toast, int(str(wal)), int(str(images)))


def _row(connection: psycopg.Connection[tuple[object, ...]], query: str) -> tuple[object, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _commands(redis: Redis) -> Counter[str]:
    stats = redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()})


def _cores_s() -> Counter[str]:
    user, nice, system, idle, waiting, interrupts, soft, stolen = map(int, (_PROC / "stat").read_text().split()[1:9])
    ticks = {"busy": user + nice + system + interrupts + soft, "idle": idle, "disk": waiting, "stolen": stolen}
    return Counter({name: count / os.sysconf("SC_CLK_TCK") for name, count in ticks.items()})


def _cpu_s() -> Counter[str]:
    """Return CPU seconds by program: of this process, its descendants, and what those waited for."""
    processes = {pid: parsed for pid in _pids() if (parsed := _stat(pid)) is not None}
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _) in processes.items() if parent in ours} - ours:
        ours |= more
    # The load's own processes are over by now; what they used is ours as soon as we have waited for them.
    children = os.times()
    found: Counter[str] = Counter({"load": children.children_user + children.children_system})
    for pid in ours & processes.keys():
        found[_name(pid)] += processes[pid][1]  # type: ignore[assignment]
    return found


def _name(pid: int) -> str:
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"
    return next((name for text, name in _NAMES.items() if text in command), "other")


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[int, float] | None:
    """Return a process's parent and its CPU seconds, None when it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
