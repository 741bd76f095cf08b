"""What to do with a click, decided from the mirror alone: one value, Redirect or Rejection, before anything is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.mirror import MirrorReader
from config.served import ServedLink, ServedProfile, decode_link, decode_profile
from edge.outcomes import Outcome

SLUG_CHARACTERS_MAX = 64
HOST_CHARACTERS_MAX = 253


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the visitor to the link's destination. `profile` is None where nothing is to be logged."""

    link: ServedLink
    profile: ServedProfile | None
    config_version: int

    @property
    def parts(self) -> Sequence[str]:
        """The destination's compiled template."""
        return self.link.parts


@dataclass(frozen=True, slots=True)
class Rejection:
    """Answer without a destination, or with the profile's fallback. Nothing is logged."""

    outcome: Outcome
    fallback_url: str | None = None


Decision = Redirect | Rejection


def decide(mirror: MirrorReader, host: str, slug: str) -> Decision:
    """Return what to do with a request for `slug` on `host`. The numbered lookup rules of the README, in order."""
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
