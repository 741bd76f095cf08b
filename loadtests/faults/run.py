"""One run: the scene, the load, the faults, the wait for quiet, and everything the report needs."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

from rich.console import Console
from rich.status import Status

from loadtests.demo.api import AdminApi
from loadtests.demo.stack import Stack
from loadtests.faults.attacks import Attacks, Done
from loadtests.faults.evidence import await_quiet, judge_postbacks, ledger_troubles, stored_clicks
from loadtests.faults.menu import STEP, plan
from loadtests.faults.oracle import Answer, judge
from loadtests.faults.report import Report, explained
from loadtests.faults.requests import Link, Request, attempt_in, request_of, stored_as
from loadtests.faults.servers import Limits, limits_of, server_of
from loadtests.faults.stack import BrokenStack, FaultsError, broken_stack
from loadtests.faults.traffic import Lane, Traffic

_LINKS = 12
_LIVE_S = 30.0
_WARM_UP_S = 2.0
_REST_S = 240.0
# With stepped clocks a click may be days off; what it is then compared with is only the width of the steps.
_STEPPED_SLACK_MS = 3 * 86_400_000
_SLACK_MS = 1500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run."""

    seed: int
    seconds: float
    rate: float
    threads: int
    faults: int
    server: str
    keep_log: Path | None = None


def run(wanted: Wanted, console: Console) -> Report:
    """Run everything and return the report."""
    began_at = datetime.now(UTC)
    begin = monotonic()
    with broken_stack(wanted.server) as stack, console.status("starting the stack") as status:
        try:
            return _run(wanted, stack, status, (began_at, begin))
        finally:
            if wanted.keep_log is not None:
                shutil.copy(stack.home.parent / "up.log", wanted.keep_log)


def _run(wanted: Wanted, stack: BrokenStack, status: Status, began: tuple[datetime, float]) -> Report:
    links, token = _scene(stack)
    server = server_of(wanted.server)
    limits = limits_of(server)

    def compose(attempt: str) -> Request:
        return request_of(wanted.seed, attempt, links, limits.ascii_headers)

    traffic = Traffic((stack.edge_port, stack.intake_port), compose, token, limits)
    attacks = Attacks(stack)
    faults = plan(wanted.seed, wanted.faults, wanted.seconds, frozenset() if stack.clock else frozenset({STEP}))
    traffic.start(wanted.threads, wanted.rate)
    try:
        _await_redirects(traffic, status)
        load_began = monotonic()
        attacks.run(faults, Event(), lambda: _show(status, traffic, attacks))
        sleep(_WARM_UP_S)
    finally:
        traffic.stop()
    load_s = monotonic() - load_began
    ledger = await_quiet(stack, _REST_S, lambda text: status.update(f"waiting for quiet; {text}"))
    status.update("comparing every stored click")
    answers = {attempt: answer for lane in traffic.lanes for attempt, answer in lane.answers.items()}
    address = {lane.name: lane.ip for lane in traffic.lanes}

    def expected(attempt: str, answer: Answer) -> dict[str, Any]:
        return stored_as(compose(attempt), answer.location, address[attempt.partition("-")[0]])

    slack_ms = _STEPPED_SLACK_MS if stack.clock else _SLACK_MS
    verdict = judge(answers, stored_clicks(stack), attempt_in, expected, slack_ms)
    acknowledged = {key: click_id for lane in traffic.lanes for key, click_id in lane.postbacks.items()}
    return Report(
        seed=wanted.seed,
        began_at=began[0],
        took_s=monotonic() - began[1],
        load_s=load_s,
        rate=wanted.rate,
        threads=wanted.threads,
        machine=_machine(stack, server),
        counts=attacks.counts,
        kills=attacks.kills,
        given_up=[f"{fault.kind} {fault.target}".strip() for fault in attacks.given_up],
        verdict=verdict,
        postbacks=judge_postbacks(stack, acknowledged),
        ledger=ledger,
        ledger_troubles=ledger_troubles(stack, ledger, verdict.stored, verdict.not_logged, verdict.unanswered),
        answered=sum((lane.answered for lane in traffic.lanes), Counter()),
        error_answers=Counter(mishap.what for lane in traffic.lanes for mishap in lane.error_answers),
        broken=Counter(mishap.what for lane in traffic.lanes for mishap in (*lane.broken, *lane.broken_intake)),
        unexplained=unexplained(traffic.lanes, attacks.done, limits),
        log_lines=stack.log_lines(),
    )


def _scene(stack: BrokenStack) -> tuple[tuple[Link, ...], str]:
    """Make profiles, a merchant and links; return the links and the merchant's postback token."""
    api = AdminApi(Stack("127.0.0.1", stack.edge_port, "127.0.0.1", stack.admin_port, stack.token))
    merchant = api.create("/v1/merchants", {"name": "Merchant", "postback_auth": "token"})
    # Whole addresses, so that each row's can be compared with the one that asked.
    kept = {"address_storage": "whole"}
    profiles = [
        api.create("/v1/profiles", {"name": kind, "domain": f"t{kind}.localhost", "redirect_type": kind, **kept})
        for kind in ("302", "301")
    ]
    links = []
    for number in range(_LINKS):
        profile = profiles[number % 2]
        defaults = (None, "default two" if number % 3 == 0 else None, None, "fourth", *[None] * 6)
        body = {
            "name": f"Link {number}",
            "profile_id": profile["profile_id"],
            "merchant_id": merchant["merchant_id"],
            "destination_url": f"https://m.example/{number}?c={{click_id}}&s={{sub1}}&x={{x}}&l={{link_id}}",
            **{f"sub{place}": value for place, value in enumerate(defaults, 1) if value},
        }
        link = api.create("/v1/links", body)
        links.append(Link(link["link_id"], profile["profile_id"], profile["domain"], link["slug"], defaults))
    return tuple(links), str(merchant["postback_token"])


def _await_redirects(traffic: Traffic, status: Status) -> None:
    """Wait until every lane is answered with redirects; refusals until then are those of links not yet live."""
    status.update("waiting for the links to be live")
    deadline = monotonic() + _LIVE_S
    steady_since = monotonic()
    refused = -1
    while monotonic() - steady_since < _WARM_UP_S:
        now_refused = sum(len(lane.error_answers) for lane in traffic.lanes)
        if now_refused != refused or not traffic.answered:
            refused, steady_since = now_refused, monotonic()
        if monotonic() > deadline:
            raise FaultsError("the edge does not redirect for the links that were made")
        sleep(0.05)
    for lane in traffic.lanes:
        lane.error_answers.clear()
        lane.broken.clear()
        lane.broken_intake.clear()


def unexplained(lanes: Sequence[Lane], struck: Sequence[Done], limits: Limits) -> Counter[str]:
    """Count the broken connections that no fault on the process at their other end explains."""
    edge = [
        (done.began, done.ended)
        for done in struck
        if done.at_the_edge or (limits.idle_by_wall_clock and done.fault.kind == STEP)
    ]
    intake = [(done.began, done.ended) for done in struck if done.at_the_intake]
    found = Counter(mishap.what for lane in lanes for mishap in lane.broken if not explained(mishap.at, edge))
    found.update(mishap.what for lane in lanes for mishap in lane.broken_intake if not explained(mishap.at, intake))
    return found


def _show(status: Status, traffic: Traffic, attacks: Attacks) -> None:
    status.update(f"{traffic.answered:,} clicks answered, {len(attacks.done)} faults, {attacks.kills} kills")


def _machine(stack: BrokenStack, server: str) -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "edge server": server,
        "left out for it": limits_of(server).note,
        "disk full by": "a tmpfs of 64 MiB, filled" if stack.tmpfs else "SPOOL_MAX_BYTES of 4 MiB and a stopped agent",
        "clock stepped by": "a preloaded clock, edge, intake and agent" if stack.clock else "nothing: no C compiler",
    }
