"""`python -m loadtests.stored_clicks`: stores clicks in a stack of its own, and times what is done with them then.

That is settling (duplicates, too many of an address, unique clicks) and a dry run of ten rules against ten others. All
processes share this machine. CPU is that of the processes that do the work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any, LiteralString

import orjson
import urllib3

from config.settings import embedded_settings
from loadtests.demo.api import AdminApi
from loadtests.demo.stack import locate_stack
from loadtests.pipeline.expense import expense
from loadtests.pipeline.stack import SHIPPING, STORING, BenchError, Stack, running_stack

CLICKS_MAX = 2_000_000
_WAIT_S = 600.0
# Of so many clicks, one is the click before once more.
_REPEATS_ONE_IN = 33
_PER_CLICK = 1e6
_STORED: LiteralString = "select coalesce(sum(clicks), 0) from click_days"
_BATCHES: LiteralString = "select count(*) from settling"
_WAITING: LiteralString = "select (select count(*) from settling) + (select count(*) from settling_minutes)"
_FIELDS = ("country", "device", "os", "browser", "language", "sub1", "sub2", "parameter", "referrer", "time")


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.stored_clicks", description=__doc__)
    parser.add_argument("--clicks", type=int, default=300_000, help="how many clicks to store")
    parser.add_argument("--dry-run", type=int, default=100_000, help="how many of them a dry run reads")
    arguments = parser.parse_args()
    if not 1 <= arguments.clicks <= CLICKS_MAX:
        parser.error(f"--clicks must be from 1 to {CLICKS_MAX}")
    try:
        with running_stack({}, with_edge=False) as stack:
            link_id = _configure(stack)
            _store(stack, arguments.clicks)
            _settle(stack, arguments.clicks)
            _try_draft(stack, link_id, arguments.dry_run)
    except BenchError as error:
        sys.stderr.write(f"stored_clicks: {error.message}\n")
        return 1
    return 0


def rules(url: str) -> dict[str, Any]:
    """Return a rule document of ten rules of ten kinds, which few clicks fit."""
    conditions: dict[str, dict[str, Any]] = {
        **{name: {"values": ["none of these", "nor this"]} for name in _FIELDS},
        "country": {"values": ["NU", "TV"]},
        "device": {"values": ["console"]},
        "parameter": {"name": "utm_source", "match": "contains", "values": ["none"]},
        "time": {"weekdays": [1], "hours": [[3, 4]], "time_zone": "Europe/Berlin"},
    }
    return {
        "rules": [
            {
                "conditions": [{"field": name, **conditions[name]}],
                "destinations": [{"url": f"{url}/{name}/{part}", "weight": 1 + part} for part in range(2)],
            }
            for name in _FIELDS
        ]
    }


def _configure(stack: Stack) -> int:
    api = AdminApi(locate_stack(embedded_settings(stack.environ)))
    profile = api.create("/v1/profiles", {"name": "Bench", "domain": "track.example.com"})
    merchant = api.create("/v1/merchants", {"name": "Bench"})
    link = {"profile_id": profile["profile_id"], "merchant_id": merchant["merchant_id"], "slug": "link1"}
    routing = rules("https://present.example")
    made = api.create("/v1/links", {**link, "destination_url": "https://merchant.example/", "routing": routing})
    return int(made["link_id"])


def _store(stack: Stack, clicks: int) -> None:
    arguments = ("--count", str(clicks), "--new-visitors-of", str(_REPEATS_ONE_IN))
    stack.begin("-m", "loadtests.pipeline.writer", *arguments).communicate()
    stack.check()
    # Settling waits until all is stored, so that its time is its own.
    with stack.database() as held:
        held.execute("select pg_advisory_lock(hashtext('waypost.settling'))")
        before, began = expense(stack), monotonic()
        for program in (STORING, STORING, SHIPPING):
            stack.begin(*program)
        _await(stack, lambda: _number(stack, _STORED) >= clicks, f"{clicks} clicks to be stored")
        took_s = monotonic() - began
    _print(f"storing of {clicks} clicks", took_s, expense(stack).since(before).cpu_s, clicks, "worker clicks")


def _settle(stack: Stack, clicks: int) -> None:
    """Time the settling of what is left to settle when all clicks are stored."""
    waiting, before, began = _number(stack, _BATCHES), expense(stack), monotonic()
    _await(stack, lambda: not _number(stack, _WAITING), "the clicks to be settled")
    spent = expense(stack).since(before).cpu_s
    _print(f"settling of {clicks} clicks ({waiting} batches left)", monotonic() - began, spent, clicks, "other workers")
    with stack.database() as connection:
        for kind, number in connection.execute("select class, sum(clicks) from click_days group by 1 order by 2 desc"):
            sys.stdout.write(f"  {kind:<12}{number:>9}\n")


def _try_draft(stack: Stack, link_id: int, clicks: int) -> None:
    located = locate_stack(embedded_settings(stack.environ))
    url = f"http://{located.admin_host}:{located.admin_port}/v1/links/{link_id}/dry-run"
    headers = {"Authorization": f"ApiKey {located.token}", "Content-Type": "application/json"}
    body = orjson.dumps({"routing": rules("https://draft.example"), "clicks": clicks, "whole_profile": True})
    before, began = expense(stack), monotonic()
    answer = urllib3.request("POST", url, headers=headers, body=body, timeout=_WAIT_S, retries=False)
    took_s = monotonic() - began
    if answer.status != 200:
        raise BenchError(f"the dry run answered {answer.status}: {answer.data[:500]!r}")
    read = answer.json()["clicks"]
    _print(f"dry run on {read} clicks", took_s, expense(stack).since(before).cpu_s, read, "admin")


def _print(what: str, took_s: float, spent: Mapping[str, float], clicks: int, program: str) -> None:
    sys.stdout.write(f"{what}: {took_s:.1f} s\n")
    for name in (program, "PostgreSQL"):
        sys.stdout.write(f"  CPU of {name:<16}{spent[name] / clicks * _PER_CLICK:>6.1f} us a click\n")


def _number(stack: Stack, query: LiteralString) -> int:
    with stack.database() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))


def _await(stack: Stack, condition: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + _WAIT_S
    while not condition():
        stack.check()
        if monotonic() > deadline:
            raise BenchError(f"waited {_WAIT_S:.0f} s in vain for {what}")
        sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
