"""What a user agent says of itself: the kind of device, the operating system and the browser. Pure.

Families are those of ua-parser, such as `Mac OS X` and `Chrome Mobile`. An agent is parsed up to a length, and what was
parsed is remembered.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from ua_parser import Domain, RegexResolver, Resolver, load_lazy_builtins

from tracking.visitors.devices import DEVICES, device_of
from tracking.visitors.limits import HEADER_CHARACTERS_MAX

# A family can be a part of the agent, so it may be of any length.
FAMILY_CHARACTERS_MAX = 64
# PERF: an agent costs 45 microseconds, a remembered one 0.1. At the greatest length they take 10 MB.
REMEMBERED_AGENTS = 8192

__all__ = ["DEVICES", "UserAgent", "parse_user_agent", "prepare_user_agents"]


class UserAgent(NamedTuple):
    """The device (one of DEVICES), and the families of the operating system and browser, empty where unknown."""

    device: str
    os: str
    browser: str


_NOTHING = UserAgent("other", "", "")


def parse_user_agent(text: str) -> UserAgent:
    """Return what an agent says of itself. `text` is a header as it arrived (latin-1 of bytes). Never fails."""
    if not text:
        return _NOTHING
    return _parse(text[:HEADER_CHARACTERS_MAX])


def prepare_user_agents() -> None:
    """Load the rules of all agents: 0.2 seconds and 30 MB that else the first agent of a process costs."""
    _resolver()


@lru_cache(maxsize=REMEMBERED_AGENTS)
def _parse(text: str) -> UserAgent:
    found = _resolver()(text, Domain.ALL)
    os = _plain(found.os.family if found.os else "")
    browser = _plain(found.user_agent.family if found.user_agent else "")
    family, brand = (found.device.family, found.device.brand) if found.device else ("", None)
    return UserAgent(device_of(text, os, family, brand), os, browser)


@cache
def _resolver() -> Resolver:
    assert RegexResolver is not None, "ua-parser-rs is installed with ua-parser"
    return RegexResolver(load_lazy_builtins())


def _plain(family: str) -> str:
    """Return a family, or nothing if it holds what no name does."""
    if family == "Other" or not (family.isascii() and family.isprintable()):
        return ""
    return family[:FAMILY_CHARACTERS_MAX].strip()
