"""Decides from the mirror alone what to do with a click: one value, a Redirect or a Rejection. It records nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from config.configuration import MirrorReader, PublishedLink, PublishedProfile, decode_link, decode_profile
from edge.clicks.hops import could_be_ours
from edge.clicks.redirect_cache import RedirectCache
from edge.http import Outcome, normalize_host
from edge.routing import Rotations, read_plan
from tracking.clicks import AGENT_MACROS, Expansion, NextHops, prepare_expansion, raw_parameter
from tracking.routing import Plan
from tracking.visitors import prepare_user_agents

SLUG_CHARACTERS_MAX = 64
HOST_CHARACTERS_MAX = 253


@dataclass(slots=True)
class Redirect:
    """Send the visitor to the link's destination. If `profile` is None, the click is not recorded.

    PERF: not frozen, for a frozen dataclass takes a microsecond longer to make. Nobody may change one.
    """

    host: str
    slug: str
    link: PublishedLink
    profile: PublishedProfile | None
    config_version: int
    expansion: Expansion
    # As in tracking.spool.Click; None for a link without rules.
    routing: list[Any] | None = None
    # The parameters that may say where the click goes instead, in order; for most links there are none.
    next_hops: tuple[NextHops, ...] = ()
    # The rules that choose where the click goes; None for most links, and once they have chosen.
    plan: Plan | None = None
    # Whether there is nothing to do but to fill in the destination: no rules, and no link of ours that it may lead to.
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class Rejection:
    """Answer with an error, or redirect to the profile's fallback. Nothing is recorded."""

    outcome: Outcome
    fallback_url: str | None = None


Decision = Redirect | Rejection


class Router:
    """Decides for one process, and caches the redirects that are asked for often.

    PERF: a cached decision costs a look at one word of shared memory and one into a dictionary: 0.3 microseconds, where
    the mirror and decoding take 6 (`python -m tests.own_cost`).
    SECURITY: only redirects are cached, and a limited number, so invented hosts and slugs cannot fill the memory.
    """

    def __init__(self, mirror: MirrorReader, rotations: Rotations) -> None:
        self._mirror = mirror
        self._rotations = rotations
        self._count = mirror.changes.words
        self._seen = -1
        self._cache: RedirectCache[Redirect] = RedirectCache()
        self._cached = self._cache.values
        self._lock = Lock()

    def decide(self, sent_host: str, slug: str) -> Decision:
        """Return what to do with a request for `slug` with this Host header: the rules of docs/lookup.md, in order."""
        # RACE: the counter is read before the mirror, so a change in between makes the next request look again.
        count = self._count[0]
        if count != self._seen:
            self._forget(count)
        cached = self._cached.get((sent_host, slug))
        if cached is not None:
            return cached
        decision = decide(self._mirror, normalize_host(sent_host), slug)
        if isinstance(decision, Redirect) and len(sent_host) <= HOST_CHARACTERS_MAX:
            with self._lock:
                # RACE: if the counter moved on, this decision may come from the state before the change.
                if count == self._seen:
                    self._cache.offer((sent_host, slug), decision)
        return decision

    def _forget(self, count: int) -> None:
        """Drop the decisions about links that changed before the mirror's counter stood at `count`.

        The others keep the configuration version at which they were made; they would be the same at a later one.
        """
        with self._lock:
            self._rotations.forget()
            checksums = self._mirror.changes.between(self._seen, count)
            if checksums is None:
                self._cache.forget_everything()
            else:
                self._cache.forget(checksums)
            self._seen = count


def decide(mirror: MirrorReader, host: str, slug: str) -> Decision:
    """Return the decision about one request, made from one state of the mirror."""
    # SECURITY: LMDB raises for a key that is too long. No published domain or slug is longer than this or has other
    # characters than ASCII.
    sought_slug = slug if len(slug) <= SLUG_CHARACTERS_MAX and slug.isascii() else ""
    sought_host = host if len(host) <= HOST_CHARACTERS_MAX and host.isascii() else ""
    found = mirror.lookup(sought_host, sought_slug)
    if found.version is None:
        return Rejection(Outcome.MIRROR_EMPTY)
    if found.link is None:
        return Rejection(Outcome.WRONG_HOST if found.profile is None else Outcome.UNKNOWN_SLUG)
    link = decode_link(found.link)
    profile = decode_profile(found.profile) if found.profile is not None and found.of_profile else None
    fallback_url = profile.fallback_url if profile else None
    if not link.active:
        return Rejection(Outcome.LINK_INACTIVE, fallback_url)
    parts = link.parts
    raw = raw_parameter(parts)
    hops = () if profile is None or profile.next_hops is None else next_hops_of(profile.next_hops, raw)
    if raw is not None:
        if fallback_url is None:
            return Rejection(Outcome.NO_DESTINATION)
        parts = [fallback_url]
    if profile is not None and not profile.active:
        profile = None
    expansion = prepare_expansion(parts, link.sub_defaults)
    if expansion.other and any(name in AGENT_MACROS for _, name in expansion.other):
        # Here, since a click is filled in under the lock of the spool, and the rules take 0.2 s to load once.
        prepare_user_agents()
    plan, routing = (None, None) if link.plan is None else read_plan(link)
    is_plain = link.plan is None and not could_be_ours(parts[0])
    return Redirect(host, slug, link, profile, found.version, expansion, routing, hops, plan, is_plain)


def next_hops_of(published: Sequence[Any], raw: str | None) -> tuple[NextHops, ...]:
    """Return the parameters that may say where a click goes, from a published profile's `next_hops`. `raw` is the one
    that the link's destination names.
    """
    hosts, parameter, secrets = published
    allowed = frozenset(hosts)
    hops = () if parameter is None else (NextHops(parameter, allowed, tuple(secrets)),)
    return hops if raw is None else (*hops, NextHops(raw, allowed, ()))
