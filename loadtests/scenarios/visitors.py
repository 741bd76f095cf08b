"""Who takes part in a load test: visitors that click, visitors that mistype, merchants that report."""

from __future__ import annotations

import secrets
from collections import deque
from random import choice, random
from typing import ClassVar

from locust import FastHttpUser, between, task

from loadtests.scenarios.target import Target

_CLICKS_KEPT = 10_000
_REDIRECTS = (301, 302)
_SOURCES = ("newsletter", "search", "social", "banner", "partner")


class TrackedUser(FastHttpUser):
    """Somebody at the edge. `target` and the click ids that merchants report are those of the whole process."""

    abstract = True
    target: ClassVar[Target]
    clicked: ClassVar[deque[str]] = deque(maxlen=_CLICKS_KEPT)
    # A redirect leads to somebody else's server.
    connection_timeout = 10.0
    network_timeout = 10.0

    def click(self, name: str = "/click/[link]") -> None:
        """Follow a link."""
        link = self.target.link()
        path = f"{link.path}?sub1={choice(_SOURCES)}&sub2={secrets.token_hex(4)}"
        with self.client.get(
            path, headers={"Host": link.host}, name=name, allow_redirects=False, catch_response=True
        ) as reply:
            click_id = (reply.headers or {}).get("X-Waypost-Click-Id")
            if click_id is None:
                reply.failure(f"{reply.status_code} without a click id")
            elif reply.status_code not in (200, *_REDIRECTS):
                reply.failure(f"{reply.status_code}")
            else:
                self.clicked.append(click_id)
                reply.success()

    def miss(self) -> None:
        """Ask for a link that does not exist."""
        path = f"/click/{secrets.token_urlsafe(6)}"
        headers = {"Host": self.target.link().host}
        with self.client.get(
            path, headers=headers, name="/click/[unknown]", allow_redirects=False, catch_response=True
        ) as reply:
            if reply.status_code == 404:
                reply.success()
            else:
                reply.failure(f"{reply.status_code} instead of 404")

    def report(self) -> None:
        """Report a conversion of an earlier click, as the merchant; click first where there is none."""
        if self.target.postback_path is None:
            return
        if not self.clicked:
            self.click()
            return
        query = (
            f"click_id={choice(self.clicked)}&event=deposit&payout=25.00&currency=USD&order_id={secrets.token_hex(6)}"
        )
        with self.client.get(
            f"{self.target.postback_path}?{query}", name="/postback/[token]", catch_response=True
        ) as reply:
            if reply.status_code == 200:
                reply.success()
            else:
                reply.failure(f"{reply.status_code}")


class Redirects(TrackedUser):
    """Clicks on a Zipf mix of links, as fast as the answers come."""

    @task
    def follow(self) -> None:
        """One click."""
        self.click()


class UnknownSlugs(TrackedUser):
    """Nothing but links that do not exist: scanners, and printed links of years ago."""

    @task
    def stray(self) -> None:
        """One miss."""
        self.miss()


class PostbackBurst(TrackedUser):
    """A merchant's nightly batch: deposits of earlier clicks, as fast as each is answered."""

    @task
    def settle(self) -> None:
        """One postback."""
        self.report()


class MixedDay(TrackedUser):
    """A day of one visitor in seconds: mostly clicks, some mistyped, a few that end in a sale."""

    wait_time = between(0.2, 2.0)

    @task
    def day(self) -> None:
        """One step of the day."""
        chance = random()
        if chance < 0.90:
            self.click()
        elif chance < 0.95:
            self.miss()
        else:
            self.report()
