"""Sends the merchant's postbacks through the edge, in order for each click, and keeps what was answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Lock
from time import monotonic
from urllib.parse import urlencode

from loadtests.demo.edge import EdgeClient, UnansweredError
from loadtests.demo.journeys import CURRENCY, Journey, Kind, Step

PATIENCE_S = 60.0
_RETRY_PAUSE_S = 0.05
# 409 is an early word from a marker in Redis; without it the worker finds the duplicate, so 200 is right too.
_RIGHT_ANSWERS = {
    Kind.NEW: {HTTPStatus.OK},
    Kind.TRANSITION: {HTTPStatus.OK},
    Kind.DUPLICATE: {HTTPStatus.CONFLICT, HTTPStatus.OK},
    Kind.FORGED: {HTTPStatus.NOT_FOUND},
    Kind.UNAUTHENTICATED: {HTTPStatus.OK},
}


@dataclass
class Told:
    """What the merchant sent and heard. `recorded` are the postback ids answered with 200, by click id."""

    sent: int = 0
    unanswered: int = 0
    answers: Counter[tuple[Kind, int]] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    recorded: dict[str, list[str]] = field(default_factory=dict)
    journeys: list[Journey] = field(default_factory=list)


class Merchant:
    """One merchant account with its postback token."""

    def __init__(self, edge: EdgeClient, token: str) -> None:
        self.told = Told()
        self._edge = edge
        self._token = token
        self._lock = Lock()

    def report(self, journeys: Sequence[Journey], threads: int, advance: Callable[[], None]) -> None:
        """Send the first postbacks of every journey, in order for each click; `advance` runs after each journey."""
        self.told.journeys += journeys
        self._tell(((journey.click_id, journey.steps) for journey in journeys), threads, advance)

    def revise(self, journeys: Sequence[Journey], threads: int, advance: Callable[[], None]) -> None:
        """Send the status changes of what was reported."""
        self._tell(((journey.click_id, journey.later) for journey in journeys), threads, advance)

    def _tell(self, told: Iterator[tuple[str, list[Step]]], threads: int, advance: Callable[[], None]) -> None:
        with ThreadPoolExecutor(threads) as pool:
            for lane in [pool.submit(self._lane, told, advance) for _ in range(threads)]:
                lane.result()

    def _lane(self, told: Iterator[tuple[str, list[Step]]], advance: Callable[[], None]) -> None:
        while True:
            with self._lock:
                click_id, steps = next(told, (None, []))
            if click_id is None:
                return
            for step in steps:
                self._send(click_id, step)
            advance()

    def _send(self, click_id: str, step: Step) -> None:
        deadline = monotonic() + PATIENCE_S
        right = set(_RIGHT_ANSWERS[step.kind])
        while True:
            try:
                status, body = self._attempt(click_id, step)
                break
            except UnansweredError:
                with self._lock:
                    self.told.sent += 1
                    self.told.unanswered += 1
                if monotonic() > deadline:
                    raise
            # The attempt that was cut off may have been recorded, and then this one is its duplicate.
            right.add(HTTPStatus.CONFLICT)
            Event().wait(_RETRY_PAUSE_S)
        with self._lock:
            self.told.sent += 1
            self.told.answers[step.kind, status] += 1
            if status not in right:
                self.told.unexpected[f"{step.kind} {step.event} by {step.route}: {status} {body.get('code', '')}"] += 1
            if status == HTTPStatus.OK:
                self.told.recorded.setdefault(click_id, []).append(body["postback_id"])

    def _attempt(self, click_id: str, step: Step) -> tuple[int, dict[str, str]]:
        fields = {"click_id": click_id, "event": step.event.value}
        if step.payout is not None:
            fields |= {"payout": step.payout, "currency": CURRENCY}
        if step.order_id:
            fields["order_id"] = step.order_id
        if step.status:
            fields["status"] = step.status.value
        if step.route == "json":
            token = None if step.kind is Kind.UNAUTHENTICATED else self._token
            return self._edge.postback("POST", "/v1/postback", fields, token)
        if step.route == "post":
            return self._edge.postback("POST", f"/postback/{self._token}", fields)
        return self._edge.postback("GET", f"/postback/{self._token}?{urlencode(fields)}")
