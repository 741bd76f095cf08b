"""Replays visits through the edge from several threads and keeps count: what was sent and answered, under which ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock
from time import monotonic

from loadtests.demo.edge import Answer, EdgeClient, UnansweredError
from loadtests.demo.scene import DemoLink
from loadtests.demo.stack import DemoError
from loadtests.demo.visits import Visit

PATIENCE_S = 60.0
_RETRY_PAUSE_S = 0.05
_STATUS_OF_TYPE = {"301": 301, "302": 302, "js": 200}


@dataclass
class Tally:
    """What a replay has done. An attempt without an answer may or may not have been recorded; it is no one's id."""

    answered: int = 0
    unanswered: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    click_ids: list[str] = field(default_factory=list)
    convertible: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.answered + self.unanswered


class Replay:
    """One replay over one scene's links, chosen by Zipf's law in their order."""

    def __init__(self, edge: EdgeClient, links: tuple[DemoLink, ...], seed: int) -> None:
        self.tally = Tally()
        self._edge = edge
        self._links = links
        self._weights = [1 / rank for rank in range(1, len(links) + 1)]
        self._random = Random(seed)
        self._lock = Lock()

    def await_links(self, timeout_s: float) -> None:
        """Return once the edge redirects for every link. The asking is a HEAD, and counted like any other request."""
        deadline = monotonic() + timeout_s
        for link in self._links:
            while True:
                answer = self._attempt(link, Visit("HEAD", "", "waypost-demo"), deadline)
                if answer.status == _STATUS_OF_TYPE[link.redirect_type]:
                    self._count(link, Visit("HEAD", "", ""), answer)
                    break
                if monotonic() > deadline:
                    raise DemoError(
                        f"the edge still answers {answer.status} ({answer.reason}) to {link.url}, "
                        f"{timeout_s:.0f} s after it was made: see whether agent and admin run, and their logs"
                    )
                Event().wait(_RETRY_PAUSE_S)

    def run(self, visits: Iterator[Visit], threads: int, advance: Callable[[], None]) -> None:
        """Send every visit and call `advance` after each one that was answered."""
        with ThreadPoolExecutor(threads) as pool:
            for lane in [pool.submit(self._lane, visits, advance) for _ in range(threads)]:
                lane.result()

    def _lane(self, visits: Iterator[Visit], advance: Callable[[], None]) -> None:
        while True:
            with self._lock:
                visit = next(visits, None)
                link = self._random.choices(self._links, self._weights)[0]
            if visit is None:
                return
            self._count(link, visit, self._attempt(link, visit, monotonic() + PATIENCE_S))
            advance()

    def _attempt(self, link: DemoLink, visit: Visit, deadline: float) -> Answer:
        while True:
            try:
                return self._edge.click(link.host, link.slug, visit)
            except UnansweredError:
                with self._lock:
                    self.tally.unanswered += 1
                if monotonic() > deadline:
                    raise
            Event().wait(_RETRY_PAUSE_S)

    def _count(self, link: DemoLink, visit: Visit, answer: Answer) -> None:
        with self._lock:
            tally = self.tally
            tally.answered += 1
            if answer.status != _STATUS_OF_TYPE[link.redirect_type] or answer.click_id is None:
                tally.unexpected[f"{answer.status} {answer.reason or 'without a click id'}"] += 1
                return
            tally.by_type[link.redirect_type] += 1
            tally.click_ids.append(answer.click_id)
            if visit.method == "GET" and not visit.purpose:
                tally.convertible.append(answer.click_id)
