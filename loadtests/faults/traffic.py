"""Visitors: threads with keep-alive connections at a stated rate. Each attempt is claimed before it is sent, never
repeated, and what came of it is kept for the oracle.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from time import monotonic, time_ns
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from loadtests.faults.oracle import NOT_LOGGED, RECORDED, UNANSWERED, Answer
from loadtests.faults.requests import Request
from loadtests.faults.servers import Limits

# A stopped process holds its connections for as long as it is stopped.
_TIMEOUT_S = 15.0
_REQUESTS_A_CONNECTION = 60
# How far a lane that was held up may be behind before it lets go of what it missed.
_CATCH_UP_S = 5.0
_CLICKS_A_POSTBACK = 40
_REDIRECTS = (301, 302)


class Mishap(NamedTuple):
    """An error answer or a broken connection: when, and what."""

    at: float
    what: str


@dataclass
class Lane:
    """One thread's visitors, who all come from one address."""

    name: str
    ip: str
    answers: dict[str, Answer] = field(default_factory=dict)
    # Acknowledged postbacks: their id, and the click they are of.
    postbacks: dict[str, str] = field(default_factory=dict)
    error_answers: list[Mishap] = field(default_factory=list)
    broken: list[Mishap] = field(default_factory=list)
    broken_intake: list[Mishap] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)


class Traffic:
    """Sends until stopped. `token` is the merchant's, for postbacks; `limits` are those of the server.

    `ports` are the edge's and the intake's: half of the postbacks go to each.
    """

    def __init__(self, ports: tuple[int, int], compose: Callable[[str], Request], token: str, limits: Limits) -> None:
        self._port, self._intake_port = ports
        self._compose = compose
        self._limits = limits
        self._token = token
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.lanes: list[Lane] = []

    def start(self, threads: int, rate: float) -> None:
        """Begin `rate` requests a second in all."""
        for number in range(threads):
            # Visitors of different addresses; all of 127.0.0.0/8 is this machine.
            lane = Lane(f"{number}", "127.0.1.1" if self._limits.one_address else f"127.0.1.{number + 1}")
            self.lanes.append(lane)
            thread = threading.Thread(target=self._drive, args=(lane, threads / rate), name=f"lane-{number}")
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let every lane finish its request."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many redirects were received."""
        return sum(lane.answered[status] for lane in self.lanes for status in _REDIRECTS)

    def _drive(self, lane: Lane, pause_s: float) -> None:
        next_at = monotonic()
        count = 0
        connection: HTTPConnection | None = None
        while not self._stopping.wait(max(0.0, next_at - monotonic())):
            next_at = max(next_at + pause_s, monotonic() - _CATCH_UP_S)
            if connection is None or count % _REQUESTS_A_CONNECTION == 0:
                if connection is not None:
                    connection.close()
                connection = HTTPConnection("127.0.0.1", self._port, _TIMEOUT_S, (lane.ip, 0))
            count += 1
            try:
                answer = self._visit(lane, connection, f"{lane.name}-{count}")
                if answer.click_id is not None and count % _CLICKS_A_POSTBACK == 0:
                    if count // _CLICKS_A_POSTBACK % 2:
                        self._report_to_intake(lane, answer.click_id)
                    else:
                        self._report(lane, connection, answer.click_id)
            except (OSError, HTTPException) as error:
                lane.broken.append(Mishap(monotonic(), type(error).__name__))
                connection.close()
                connection = None
                # As a browser would: nobody asks a closed door a thousand times a second.
                next_at = max(next_at, monotonic() + pause_s)
        if connection is not None:
            connection.close()

    def _visit(self, lane: Lane, connection: HTTPConnection, attempt: str) -> Answer:
        request = self._compose(attempt)
        sent_ms = time_ns() // 1_000_000
        # The claim: whatever happens from here on, a row of this attempt is no surprise.
        lane.answers[attempt] = Answer(UNANSWERED, None, "", sent_ms, sent_ms + int(_TIMEOUT_S * 1000))
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", f"{request.link.host}:{self._port}")
        connection.putheader("User-Agent", request.user_agent.encode())
        if request.referrer:
            connection.putheader("Referer", request.referrer.encode())
        if request.language:
            connection.putheader("Accept-Language", request.language)
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        lane.answered[response.status] += 1
        click_id = response.getheader("X-Waypost-Click-Id")
        reason = response.getheader("X-Waypost-Reason")
        if response.status not in _REDIRECTS:
            lane.error_answers.append(Mishap(monotonic(), f"{response.status} {reason or ''}".strip()))
        outcome = RECORDED if click_id else reason or f"status {response.status}"
        location = response.getheader("Location") or ""
        answer = Answer(outcome, click_id, location, sent_ms, time_ns() // 1_000_000)
        lane.answers[attempt] = answer
        return answer

    def _report_to_intake(self, lane: Lane, click_id: str) -> None:
        connection = HTTPConnection("127.0.0.1", self._intake_port, _TIMEOUT_S, (lane.ip, 0))
        try:
            self._report(lane, connection, click_id)
        except (OSError, HTTPException) as error:
            lane.broken_intake.append(Mishap(monotonic(), f"intake: {type(error).__name__}"))
        finally:
            connection.close()

    def _report(self, lane: Lane, connection: HTTPConnection, click_id: str) -> None:
        """Send the postback of a click; a refused or unanswered one is the merchant's to send again, and is not."""
        body = urlencode({"click_id": click_id, "event": "registration"})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/postback/{self._token}", body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status == 200:
            lane.postbacks[orjson.loads(content)["postback_id"]] = click_id
        elif response.getheader("X-Waypost-Reason") != NOT_LOGGED and response.status != 503:
            lane.error_answers.append(Mishap(monotonic(), f"postback {response.status}"))
