"""The router: what it remembers, what it forgets, and that a change is live for the next request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from config.configuration import (
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    encode_published,
    link_key,
    mirror_meta,
    profile_key,
    slug_checksum,
)
from config.configuration.mirror import Lookup
from config.configuration.mirror_changes import MirrorChanges
from edge.clicks import Router
from edge.clicks.decision import Decision, Redirect, decide
from edge.clicks.redirect_cache import ENTRIES_MAX, RedirectCache
from edge.routing import Rotations

HOSTS = ("a.example", "b.example")
SLUGS = ("x", "y", "z")


class CountingMirror:
    """The agent's end and the edge's in one: LMDB opens a file once in a process. Counts the looks into it."""

    def __init__(self, directory: Path) -> None:
        self._writer = MirrorWriter(directory, 1 << 22)
        self.changes: MirrorChanges = self._writer.changes
        self.looks = 0
        self.version = 0

    def lookup(self, host: str, slug: str) -> Lookup:
        self.looks += 1
        return self._writer.lookup(host, slug)

    def apply(self, changes: dict[str, bytes | None]) -> None:
        self.version += 1
        self._writer.apply(mirror_meta("e", self.version, "0-0"), changes)

    def replace(self, served: dict[str, bytes]) -> None:
        self.version += 1
        self._writer.replace(mirror_meta("e", self.version, "0-0"), served.items())

    def close(self) -> None:
        self._writer.close()


def link(url: str, active: bool = True) -> bytes:
    return encode_published(PublishedLink(1, active, [url], None, [None] * 10))


def profile(profile_id: int, active: bool = True) -> bytes:
    return encode_published(PublishedProfile(profile_id, "p", active, "302", None, [], 300))


def router_of(mirror: Any) -> Router:
    return Router(mirror, Rotations(mirror))


def url_of(decision: Decision) -> str | None:
    return decision.link.parts[0] if isinstance(decision, Redirect) else None


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[CountingMirror]:
    mirror = CountingMirror(tmp_path / "mirror")
    mirror.replace({profile_key("a.example"): profile(1), link_key(1, "x"): link("https://1/")})
    yield mirror
    mirror.close()


def asked(router: Router, times: int, host: str = "a.example", slug: str = "x") -> str | None:
    for _ in range(times - 1):
        router.decide(host, slug)
    return url_of(router.decide(host, slug))


def test_a_link_asked_for_again_is_remembered_and_the_mirror_left_alone(mirror: CountingMirror) -> None:
    router = router_of(mirror)
    assert asked(router, 10) == "https://1/"
    assert mirror.looks == 2


def test_a_changed_link_is_live_for_the_next_request(mirror: CountingMirror) -> None:
    router = router_of(mirror)
    asked(router, 3)
    mirror.apply({link_key(1, "x"): link("https://2/")})
    assert asked(router, 1) == "https://2/"


def test_another_links_change_forgets_nothing(mirror: CountingMirror) -> None:
    router = router_of(mirror)
    asked(router, 3)
    looks = mirror.looks
    mirror.apply({link_key(1, "other"): link("https://2/")})
    assert asked(router, 5) == "https://1/"
    assert mirror.looks == looks


def test_a_new_link_of_the_profile_takes_the_place_of_one_without_a_profile(mirror: CountingMirror) -> None:
    mirror.apply({link_key(None, "loose"): link("https://loose/")})
    router = router_of(mirror)
    assert asked(router, 3, slug="loose") == "https://loose/"
    mirror.apply({link_key(1, "loose"): link("https://own/")})
    assert asked(router, 1, slug="loose") == "https://own/"


def test_a_profiles_change_is_live_for_all_its_links(mirror: CountingMirror) -> None:
    router = router_of(mirror)
    asked(router, 3)
    mirror.apply({profile_key("a.example"): profile(1, active=False)})
    decision = router.decide("a.example", "x")
    assert isinstance(decision, Redirect)
    assert decision.profile is None


def test_a_replaced_configuration_is_live_for_the_next_request(mirror: CountingMirror) -> None:
    router = router_of(mirror)
    asked(router, 3)
    mirror.replace({profile_key("a.example"): profile(2), link_key(2, "x"): link("https://3/")})
    assert asked(router, 1) == "https://3/"


def test_a_value_is_kept_from_the_second_offer_and_the_oldest_goes_first() -> None:
    cache: RedirectCache[int] = RedirectCache()
    cache.offer(("h", "once"), 0)
    assert not cache.values
    for number in range(ENTRIES_MAX + 1):
        for _ in range(2):
            cache.offer(("h", str(number)), number)
    assert len(cache.values) == ENTRIES_MAX
    assert ("h", "0") not in cache.values
    assert cache.values["h", str(ENTRIES_MAX)] == ENTRIES_MAX
    cache.forget([slug_checksum("0"), slug_checksum("1")])
    assert ("h", "1") not in cache.values
    assert len(cache.values) == ENTRIES_MAX - 1


class Routing(RuleBasedStateMachine):
    """Whatever changes in whatever order, a router that remembers decides as one that does not."""

    directory: Path

    @initialize()
    def begin(self) -> None:
        type(self).runs += 1
        self.mirror = CountingMirror(self.directory / str(self.runs))
        self.mirror.replace({profile_key("a.example"): profile(1), profile_key("b.example"): profile(2)})
        self.router = router_of(self.mirror)

    runs = 0

    @rule(profile_id=st.sampled_from([None, 1, 2]), slug=st.sampled_from(SLUGS), state=st.sampled_from("+-x"))
    def change_a_link(self, profile_id: int | None, slug: str, state: str) -> None:
        served = link(f"https://{self.mirror.version}/", state == "+")
        self.mirror.apply({link_key(profile_id, slug): None if state == "x" else served})

    @rule(host=st.sampled_from(HOSTS), profile_id=st.sampled_from([1, 2]), state=st.sampled_from("+-x"))
    def change_a_profile(self, host: str, profile_id: int, state: str) -> None:
        self.mirror.apply({profile_key(host): None if state == "x" else profile(profile_id, state == "+")})

    @rule()
    def change_much(self) -> None:
        self.mirror.apply({link_key(1, str(number)): link("https://many/") for number in range(300)})

    @invariant()
    def decides_as_if_it_remembered_nothing(self) -> None:
        if not hasattr(self, "router"):
            return
        for host in HOSTS:
            for slug in SLUGS:
                fresh = decide(self.mirror, host, slug)  # type: ignore[arg-type]
                decision = self.router.decide(host, slug)
                if isinstance(fresh, Redirect) and isinstance(decision, Redirect):
                    # One that was remembered says at which version it was decided.
                    decision_now = Redirect(
                        host, slug, decision.link, decision.profile, fresh.config_version, fresh.expansion
                    )
                    assert decision_now == fresh
                    assert decision.expansion == fresh.expansion
                else:
                    assert decision == fresh

    def teardown(self) -> None:
        if hasattr(self, "mirror"):
            self.mirror.close()


def test_a_router_that_remembers_decides_as_one_that_does_not(tmp_path: Path) -> None:
    machine = type("RoutingHere", (Routing,), {"directory": tmp_path})
    machine.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
    machine.TestCase().runTest()
