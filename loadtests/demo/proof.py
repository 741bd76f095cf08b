"""The proof that nothing was lost: the ledger comes to rest with difference 0, and every answered id is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from typing import Any, NamedTuple

from loadtests.demo.api import AdminApi, ApiError
from loadtests.demo.journeys import Expected, Kind
from loadtests.demo.merchant import Told
from tracking.conversions import PostbackOutcome

_POLL_S = 0.25
# A ledger at rest whose difference stays this long is wrong, not late.
_WRONG_AFTER_S = 15.0
_PARKED_S = 30.0


class Balance(NamedTuple):
    """One line of the ledger."""

    issued: int
    stored: int
    in_flight: int
    declared_lost: int
    difference: int

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way and everything is accounted for."""
        return self.in_flight == 0 and self.difference == 0


class Ledger(NamedTuple):
    """Clicks and postbacks, as `GET /v1/ledger` has them."""

    clicks: Balance
    postbacks: Balance

    @property
    def settled(self) -> bool:
        """Whether both lines are."""
        return self.clicks.settled and self.postbacks.settled


@dataclass
class Evidence:
    """What the API says of the ids that the edge handed out."""

    checked: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    conversions: Counter[tuple[str, str]] = field(default_factory=Counter)
    payout_minor: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing_clicks: list[str] = field(default_factory=list)
    missing_postbacks: list[str] = field(default_factory=list)
    wrong_conversions: list[str] = field(default_factory=list)


def fetch_ledger(api: AdminApi) -> tuple[Ledger, bool]:
    """Return the ledger, and whether it is fresh: the edge reported after the database was read."""
    body = api.get("/v1/ledger")
    ledger = Ledger(*(Balance(*(int(part[name]) for name in Balance._fields)) for part in (body, body["postbacks"])))
    return ledger, not body.get("stale", False)


def settle(
    api: AdminApi,
    issued_at_least: int,
    timeout_s: float,
    show: Callable[[Ledger], None],
) -> Ledger:
    """Return the ledger once it is settled, or as it stands when time is up. `show` gets every reading."""
    deadline = monotonic() + timeout_s
    resting_since: float | None = None
    while True:
        ledger, fresh = fetch_ledger(api)
        show(ledger)
        now = monotonic()
        if fresh and ledger.settled and ledger.clicks.issued >= issued_at_least:
            return ledger
        at_rest = ledger.clicks.in_flight == 0 and ledger.postbacks.in_flight == 0
        resting_since = (resting_since or now) if at_rest else None
        if now > deadline or (resting_since and now - resting_since > _WRONG_AFTER_S):
            return ledger
        Event().wait(_POLL_S)


def check_clicks(
    api: AdminApi,
    click_ids: Sequence[str],
    told: Told,
    threads: int,
    advance: Callable[[], None],
) -> Evidence:
    """Ask the API for every click id given and every click that a postback named; compare with what was answered."""
    evidence = Evidence()
    lock = Lock()
    journeys = {journey.click_id: journey for journey in told.journeys if journey.steps[0].kind is not Kind.FORGED}

    def check(click_id: str) -> None:
        found = _fetch_click(api, click_id)
        with lock:
            evidence.checked += 1
            if found is None:
                evidence.missing_clicks.append(click_id)
            else:
                evidence.by_class[found["click"]["class"]] += 1
                _compare_postbacks(evidence, found, told.recorded.get(click_id, []))
                _compare_conversions(
                    evidence,
                    found,
                    journeys[click_id].expected if click_id in journeys else set(),
                )
        advance()

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(check, click_ids):
            pass
    return evidence


def await_judged(api: AdminApi, click_ids: Sequence[str]) -> None:
    """Return once no postback of these clicks waits for its click any more, or time is up."""
    for click_id in click_ids:
        _fetch_click(api, click_id)


def _fetch_click(api: AdminApi, click_id: str) -> Any:
    """Return a click, or None when it is not stored. A parked postback is given the time that a sweep takes."""
    deadline = monotonic() + _PARKED_S
    while True:
        try:
            found = api.get(f"/v1/clicks/{click_id}")
        except ApiError as error:
            if error.code in ("click-not-stored", "unknown-click"):
                return None
            raise
        parked = any(postback["outcome"] == PostbackOutcome.PARKED for postback in found["postbacks"])
        if not parked or monotonic() > deadline:
            return found
        Event().wait(_POLL_S)


def _compare_postbacks(evidence: Evidence, found: Any, recorded: list[str]) -> None:
    stored = {postback["postback_id"] for postback in found["postbacks"]}
    evidence.missing_postbacks += [postback_id for postback_id in recorded if postback_id not in stored]


def _compare_conversions(evidence: Evidence, found: Any, expected: set[Expected]) -> None:
    stored = [
        Expected(row["event"], row["order_id"], row["status"], row["payout_minor"]) for row in found["conversions"]
    ]
    for row in stored:
        evidence.conversions[row.event, row.status] += 1
        evidence.payout_minor[row.event, row.status] += row.payout_minor or 0
    if len(stored) != len(expected) or set(stored) != expected:
        evidence.wrong_conversions.append(found["click"]["click_id"])
