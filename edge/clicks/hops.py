"""Chains of our own links: each hop is counted in a parameter of the URL, so that none goes on for ever.

Loops are refused when a link is saved. What that cannot see, such as a slug made by a macro, or a domain that became
ours later, ends here. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracking.clicks import parse_query

HOP_PARAMETER = "wp_hop"
HOPS_MAX = 5
_PATHS = ("/click/", "/route/")


def could_be_ours(url: str) -> bool:
    """Whether a URL, or the beginning of one, has the path of a tracking link."""
    return _PATHS[0] in url or _PATHS[1] in url


def host_of(url: str) -> str:
    """Return the host of an absolute URL that was checked when it was saved, without its port."""
    netloc = url.partition("//")[2].partition("/")[0]
    return netloc.partition("?")[0].partition(":")[0]


def hops_before(query: str) -> int:
    """Return how many of our links led to a request. What is no small number counts as none."""
    said = parse_query(query).get(HOP_PARAMETER, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 3 else 0


def with_hop(pieces: Sequence[str], hops: int) -> list[str]:
    """Return an expansion's pieces, or a whole URL as the only piece, with the number of hops as a parameter."""
    changed = list(pieces)
    # Literal parts are at even places.
    place = next((at for at in range(0, len(changed), 2) if "#" in changed[at]), len(changed) - 1)
    before, mark, fragment = changed[place].partition("#")
    has_query = "?" in before or any("?" in piece for piece in changed[:place:2])
    changed[place] = f"{before}{'&' if has_query else '?'}{HOP_PARAMETER}={hops}{mark}{fragment}"
    return changed
