"""Clicks as real traffic makes them: browsers by how common they are, many links of uneven weight, mixed queries."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from loadtests.demo.visits import generated_visits
from tracking.spool import Click, encode_click

LINKS = 1000
_VISITS = 5000
_SEED = 20260101
_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "pt-BR,pt;q=0.9", "en-GB,en;q=0.9", "")
_SUB_DEFAULTS: list[str | None] = ["newsletter", *[None] * 9]


def payload_source(mint: Callable[[], tuple[str, int]], new_visitors_of: int = 0) -> Callable[[], bytes]:
    """Return what gives one spool payload after another, each with a fresh id, repeating 5,000 different visits.

    With `new_visitors_of`, each click is of an address of its own, but one in so many repeats a visit of just before.
    """
    visits = _visits()
    at = count = 0
    random = Random(mint()[0])
    visit = visits[0]

    def payload() -> bytes:
        nonlocal at, count, visit
        count += 1
        if not new_visitors_of or count % new_visitors_of:
            visit = visits[at]
            at = (at + 1) % _VISITS
            if new_visitors_of:
                visit = visit._replace(ip=f"2001:db8::{random.getrandbits(16):x}:{random.getrandbits(16):x}")
        click_id, at_ms = mint()
        return encode_click(visit._replace(click_id=click_id, at_ms=at_ms, location=visit.location + click_id))

    return payload


def _visits() -> list[Click]:
    random = Random(_SEED)
    # Zipf: the n-th link is followed 1/n as often as the first.
    links = random.choices(range(1, LINKS + 1), weights=[1 / rank for rank in range(1, LINKS + 1)], k=_VISITS)
    return [
        Click(
            *("", 0, link, 1, 1, visit.method, "track.example.com", f"link{link}", visit.query, visit.address),
            *(visit.user_agent, visit.referrer, random.choice(_LANGUAGES), visit.purpose),
            *("https://merchant.example/offer?src=waypost&clickid=", _SUB_DEFAULTS),
        )
        for link, visit in zip(links, generated_visits(_VISITS, _SEED), strict=True)
    ]
