"""What to do with a click, decided from the mirror alone: one value, Redirect or Rejection, before anything is
recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from config.mirror import MirrorReader
from config.served import ServedLink, ServedProfile, decode_link, decode_profile
from edge.outcomes import Outcome

SLUG_CHARACTERS_MAX = 64
HOST_CHARACTERS_MAX = 253
_MEMORY_MAX = 4096


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the visitor to the link's destination. `profile` is None where nothing is to be logged."""

    link: ServedLink
    profile: ServedProfile | None
    config_version: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Answer without a destination, or with the profile's fallback. Nothing is logged."""

    outcome: Outcome
    fallback_url: str | None = None


Decision = Redirect | Rejection


class Router:
    """Decides for one process, remembering the redirects of the present configuration version.

    PERF: remembered, a decision is a version read and a dictionary look-up, 1.6 microseconds against 6 with decoding.
    Only redirects are remembered, and at most 4096, so that invented hosts and slugs cannot fill the memory.
    """

    def __init__(self, mirror: MirrorReader) -> None:
        self._mirror = mirror
        self._version: int | None = None
        self._memory: dict[tuple[str, str], Redirect] = {}

    def decide(self, host: str, slug: str) -> Decision:
        """Return what to do with a request for `slug` on `host`: the README's lookup rules, in order."""
        version = self._mirror.version()
        if version != self._version:
            self._memory = {}
            self._version = version
        known = self._memory.get((host, slug))
        if known is not None:
            return known
        decision = decide(self._mirror, host, slug)
        if isinstance(decision, Redirect) and decision.config_version == version:
            if len(self._memory) >= _MEMORY_MAX:
                self._memory = {}
            self._memory[host, slug] = decision
        return decision


def decide(mirror: MirrorReader, host: str, slug: str) -> Decision:
    """Return the decision for one request from one state of the mirror."""
    # SECURITY: a key longer than LMDB takes would raise; no domain or slug we publish is longer than this or non-ASCII.
    if len(slug) > SLUG_CHARACTERS_MAX or not slug.isascii():
        slug = ""
    if len(host) > HOST_CHARACTERS_MAX or not host.isascii():
        host = ""
    found = mirror.lookup(host, slug)
    if found.version is None:
        return Rejection(Outcome.MIRROR_EMPTY)
    if found.link is None:
        return Rejection(Outcome.WRONG_HOST if found.profile is None else Outcome.UNKNOWN_SLUG)
    link = decode_link(found.link)
    profile = decode_profile(found.profile) if found.profile is not None and found.of_profile else None
    if not link.active:
        return Rejection(Outcome.LINK_INACTIVE, profile.fallback_url if profile else None)
    if profile is None or not profile.active:
        return Redirect(link, None, found.version)
    return Redirect(link, profile, found.version)
