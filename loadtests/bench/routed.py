"""Links with rules to measure: what ten rules, a look at the visitor's place, a cap, and the table of visitors cost."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

from config.configuration import MirrorWriter, PublishedLink, encode_published, link_key, mirror_meta
from edge.caps import Grants
from loadtests.bench.mirrors import MIRROR_BYTES, PARTS
from tracking.caps import Period
from tracking.routing import compile_plan

_CAP_ID = 900
_DAY_S = 86_400
# More than any run takes.
_GRANTED = 1 << 31
# Nine kinds of conditions that a usual click does not fit.
_KINDS: tuple[dict[str, Any], ...] = (
    {"field": "parameter", "name": "utm_source", "match": "is", "values": ["x", "y"]},
    {"field": "language", "values": ["de", "fr"]},
    {"field": "device", "values": ["phone", "tablet"]},
    {"field": "referrer", "values": ["a.example"]},
    {"field": "sub2", "match": "begins", "values": ["zz"]},
    {"field": "time", "hours": [[0, 24]], "negate": True, "time_zone": "Europe/Berlin"},
    {"field": "os", "values": ["iOS"]},
    {"field": "bot"},
    {"field": "parameter", "name": "x", "match": "present", "values": []},
)
_PLACE = {"field": "country", "values": ["DE", "AT", "CH"]}
_NEW_OR_NOT = {"field": "visitor", "values": ["new", "returning"]}
_CAP = {"cap_id": _CAP_ID, "count": "clicks", "per": "day", "limit": _GRANTED}


def _rule(number: int, conditions: list[dict[str, Any]], caps: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    url = "https://m.example/p?c={click_id}&s={sub1}"
    destinations = [
        {"destination_id": 10 * number + place, "url": url, "weight": weight, "caps": list(caps)}
        for place, weight in enumerate((70, 30))
    ]
    return {"rule_id": number, "conditions": conditions, "destinations": destinations}


_TEN = [_rule(number, [kind]) for number, kind in enumerate(_KINDS, 1)]
# By slug. In each of them the last rule decides, by weights and by a hash of the visitor.
DOCUMENTS: dict[str, dict[str, Any]] = {
    "one-rule": {"rules": [_rule(10, [])]},
    "ten-rules": {"rules": [*_TEN, _rule(10, [])]},
    "ten-rules-place": {"rules": [*(_rule(number, [_PLACE]) for number in range(1, 10)), _rule(10, [])]},
    "ten-kinds-place": {"rules": [*_TEN[:8], _rule(9, [_PLACE]), _rule(10, [])]},
    "one-cap": {"rules": [_rule(10, [], (_CAP,))]},
    "ten-rules-place-cap": {"rules": [*(_rule(number, [_PLACE]) for number in range(1, 10)), _rule(10, [], (_CAP,))]},
    "visitors": {"rules": [_rule(10, [_NEW_OR_NOT])]},
}


def add_routed_links(home: Path, spool_dir: Path) -> None:
    """Add the links of DOCUMENTS to a mirror of `mirrors.build`, and grant them capacity as an agent would."""
    links = {
        link_key(1, slug): encode_published(
            PublishedLink(2_000_000 + number, True, PARTS, None, [None] * 10, compile_plan(document, 1, "DP"))
        )
        for number, (slug, document) in enumerate(DOCUMENTS.items())
    }
    writer = MirrorWriter(home / "mirror", MIRROR_BYTES)
    writer.apply(mirror_meta("bench", 2, "0-0"), dict(links))
    writer.close()
    spool_dir.mkdir(parents=True, exist_ok=True)
    grants = Grants(spool_dir)
    row = grants.row(_CAP_ID)
    assert row is not None, "a new table has room"
    now_s = int(time())
    grants.begin(row, 0, Period(now_s - _DAY_S, now_s + _DAY_S))
    grants.grant(row, 0, _GRANTED)
