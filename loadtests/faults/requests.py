"""What each attempt sends, computed from the seed and the attempt's name alone, and how it must stand in the database.

The reading side is written anew here, with the standard library: the oracle must not share a bug with the product.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus

from tracking.traffic import class_of_facts, is_declared_bot

# One request in so many is a HEAD, which is stored in a class of its own.
_HEADS = 50
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mözilla/5.0 (Ünïx; тест)",
    'odd "quoted" \\ agent\twith a tab',
    "",
)
_REFERRERS = ("", "https://news.example/a?b=c&d=e", "https://пример.example/страница", "android-app://com.example.app/")
_ASCII_AGENTS, _ASCII_REFERRERS = (tuple(filter(str.isascii, texts)) for texts in (_AGENTS, _REFERRERS))
_LANGUAGES = ("", "de-DE,de;q=0.9,en;q=0.8", "en")
_WORDS = (
    "spring",
    "newsletter",
    "a b",
    "ü&=%",
    "日本",
    "\\N",
    "tab\there",
    "x" * 80,
    "",
    "100%",
    "'; drop table clicks",
)


class Link(NamedTuple):
    """A link under load as the operator made it."""

    link_id: int
    profile_id: int
    host: str
    slug: str
    sub_defaults: tuple[str | None, ...]


class Request(NamedTuple):
    """One request as it goes over the wire; header texts are sent as UTF-8."""

    link: Link
    method: str
    query: str
    user_agent: str
    referrer: str
    language: str

    @property
    def target(self) -> str:
        """The path and query of the request line."""
        return f"/click/{self.link.slug}?{self.query}"


def request_of(seed: int, attempt: str, links: tuple[Link, ...], ascii_headers: bool = False) -> Request:
    """Return the request of an attempt: always the same one for the same seed, name and links."""
    agents, referrers = (_ASCII_AGENTS, _ASCII_REFERRERS) if ascii_headers else (_AGENTS, _REFERRERS)
    random = Random(f"{seed}/{attempt}")
    encode = random.choice((quote, quote_plus))
    given = [name for name in ("sub1", "sub2", "s3", "cid", "x") if random.random() < 0.5]
    pairs = [("attempt", attempt), *((name, random.choice(_WORDS)) for name in given)]
    return Request(
        random.choice(links),
        "HEAD" if random.randrange(_HEADS) == 0 else "GET",
        "&".join(f"{name}={encode(value)}" for name, value in pairs),
        random.choice(agents),
        random.choice(referrers),
        random.choice(_LANGUAGES),
    )


def attempt_in(query: str) -> str | None:
    """Return the attempt's name in a stored query string."""
    name, _, value = query.partition("&")[0].partition("=")
    return value if name == "attempt" and value else None


def stored_as(request: Request, location: str, ip: str) -> dict[str, Any]:
    """Return the columns that the row of an answered request must hold."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    subs = list(request.link.sub_defaults)
    for place, name in enumerate(("sub1", "sub2", "s3")):
        subs[place] = parameters.get(name, subs[place])
    return {
        "link_id": request.link.link_id,
        "profile_id": request.link.profile_id,
        "host": request.link.host,
        "slug": request.link.slug,
        "method": request.method,
        "class": class_of_facts(request.method, "", is_declared_bot(request.user_agent), False).value,
        "query": request.query,
        "parameters": parameters,
        "user_agent": request.user_agent,
        "referrer": request.referrer,
        "accept_language": request.language,
        "ip": ip,
        "location": location,
        **{f"sub{number}": value for number, value in enumerate(subs, 1)},
    }
