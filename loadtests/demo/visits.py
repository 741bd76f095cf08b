"""One visitor's request as the demo replays it, and where such requests come from without a log.

The user agents are real ones that two maintained packages collect: browsers by how common they are, and crawlers.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

import crawleruseragents
from fake_useragent import UserAgent

_REFERRERS = (
    "",
    "",
    "https://www.google.com/",
    "https://www.bing.com/search?q=bonus+code",
    "https://t.co/Zq3xV1",
    "https://blog.example/2026/the-10-best-casinos?ref=nav",
    "https://caf\u00e9.example/men\u00fc".encode().decode("latin-1"),
)
_CRAWLER_SHARE = 0.06
_HEAD_SHARE = 0.02
_PREFETCH_SHARE = 0.02
# 198.18.0.0/15 is set aside for benchmarks (RFC 2544), so no real visitor's address appears.
_ADDRESS_FIRST = (198 << 24) | (18 << 16)
_ADDRESS_COUNT = 1 << 17


class Visit(NamedTuple):
    """One request to replay. Text holds raw bytes as latin-1; an empty field means that the header is not sent."""

    method: str
    query: str
    user_agent: str
    referrer: str = ""
    address: str = ""
    purpose: str = ""


def generated_visits(count: int, seed: int) -> Iterator[Visit]:
    """Yield `count` visits, the same ones for the same seed."""
    random = Random(seed)
    browsers = UserAgent().data_browsers
    names = [browser["useragent"] for browser in browsers]
    weights = _running_sums([browser["percent"] for browser in browsers])
    crawlers = [text for crawler in crawleruseragents.CRAWLER_USER_AGENTS_DATA for text in crawler["instances"]]
    for number in range(count):
        is_crawler = random.random() < _CRAWLER_SHARE
        agent = random.choice(crawlers) if is_crawler else random.choices(names, cum_weights=weights)[0]
        subs = {
            "sub1": f"campaign-{random.randrange(12)}",
            "sub2": f"creative {random.choice('ABCDE')}",
            "x": str(number),
        }
        yield Visit(
            method="HEAD" if random.random() < _HEAD_SHARE else "GET",
            query=urlencode(subs),
            user_agent=agent.encode().decode("latin-1").strip(),
            referrer=random.choice(_REFERRERS),
            address=_dotted(_ADDRESS_FIRST + random.randrange(_ADDRESS_COUNT)),
            purpose="prefetch" if random.random() < _PREFETCH_SHARE else "",
        )


def _running_sums(values: list[float]) -> list[float]:
    sums, total = [], 0.0
    for value in values:
        total += value
        sums.append(total)
    return sums


def _dotted(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
