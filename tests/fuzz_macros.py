"""`python -m tests.fuzz_macros [COUNT]`: tries invented inputs (1,000,000) on the query parser, macros and next hops.

With atheris, which the group `fuzz` of pyproject.toml has, the inputs follow the branches that they reach. Without it
they are made by chance from the same pieces. It ends with an error at the first input that breaks a property, and shows
it; put it among the cases of tests/support/hostile_values.py.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit


@contextmanager
def _instrumented() -> Iterator[None]:
    """Count the branches of what is imported here, where atheris is installed."""
    if find_spec("atheris") is None:
        yield
        return
    import atheris

    with atheris.instrument_imports(include=["tracking.clicks", "tracking.outgoing", "edge.clicks.javascript_page"]):
        yield


with _instrumented():
    from edge.clicks.javascript_page import js_redirect_page
    from tracking.clicks import (
        PARAMETERS_MAX,
        NextHops,
        characters_max,
        compile_destination,
        expand,
        find_next_hop,
        parse_bounded,
        parse_query,
        prepare_expansion,
        raw_parameter,
        stated,
        sub_values,
    )
    from tracking.outgoing import compile_outgoing, conversion_facts, render_url
    from tracking.runtime import FieldError

COUNT = 1_000_000
CLICK_ID = "01a05d2b-1d80-7007-8000-4000000c0ffe"
_HOSTS = frozenset({"shop.example", "*.brand.example"})
_HOPS = NextHops("url", _HOSTS, ("secret",))
_PLACES = ("sub1", "campaign", "external_id", "cost", "gclid", "x")
_EXPANSION = prepare_expansion(
    compile_destination(
        "https://m.example/" + "/".join(f"{{{name}}}" for name in _PLACES) + "?u={user_agent}#{x}", "u"
    ),
    ["default"] * 10,
)
_OUTGOING = compile_outgoing("https://p.example/" + "/".join(f"{{{name}}}" for name in _PLACES), "u")
_NAMES = {"sub1": ("sub1", "sub_id_1", "s1", "t1", "subid", "aff_sub"), "gclid": ("gclid",), "x": ("x",)}
_PIECES = (
    *(
        "sub1=",
        "s1=",
        "utm_campaign=",
        "cid=",
        "bid=",
        "gclid=",
        "x=",
        "url=",
        "sig=",
        "&",
        "=",
        "+",
        ";",
        "#",
        "?",
        "/",
    ),
    *(
        "%",
        "%0d%0a",
        "%00",
        "%ff",
        "%c3%a9",
        "%f0%9f%98%80",
        "%ed%a0%80",
        "%25",
        "%zz",
        "\xff",
        "\xc3\xa9",
        "\x00",
        "\r\n",
    ),
    *(
        "https://",
        "http://",
        "shop.example",
        ".brand.example",
        "evil.example",
        "javascript:",
        "@",
        ":80",
        "\\",
        "//",
        ".",
    ),
    *("{", "}", "{click_id}", "{x:raw}", "{sub1}", "a" * 300, "0,5", "1.25", "</script>", '"', "'", "[::1]", "\u3002"),
)


def check(data: bytes) -> None:
    """Raise AssertionError, or whatever breaks, if an input breaks a property."""
    text = data.decode("latin-1")
    _check_click(text)
    _check_next_hop(text)
    _check_template(data.decode("utf-8", "replace"))


def _check_click(query: str) -> None:
    parameters = parse_query(query)
    assert len(parameters) <= PARAMETERS_MAX
    assert "" not in parameters
    bounded, cuts = parse_bounded(query)
    assert bounded.keys() == parameters.keys()
    for name, value in parameters.items():
        assert bounded[name] == value[: characters_max(name)]
        assert (name in (cuts or {})) == (len(value) > characters_max(name))
    stated(bounded)
    sub_values(bounded, ["default"])
    location = expand(_EXPANSION, CLICK_ID, query, lambda name: query)
    parts = _check_location(location, "m.example").path.split("/")[1:]
    for name, names in _NAMES.items():
        found = [bounded[each] for each in names if each in bounded]
        assert (
            unquote(parts[_PLACES.index(name)], errors="strict") == (found or ["default" if name == "sub1" else ""])[0]
        )
    page, _ = js_redirect_page(location, [], 300)
    assert page.count(b"</script>") == page.count(b"<script") == 1
    facts = conversion_facts({"sub1": bounded.get("sub1")}, {"parameters": bounded})
    with suppress(FieldError):
        _check_location(render_url(_OUTGOING, facts, "d-1"), "p.example")


def _check_next_hop(query: str) -> None:
    for asked in (query, f"url={query}"):
        found = find_next_hop(asked, _HOPS, CLICK_ID)
        if found is not None and found.url:
            host = _check_location(found.url, None).hostname or ""
            assert host.rstrip(".") == "shop.example" or host.rstrip(".").endswith(".brand.example"), host


def _check_template(text: str) -> None:
    for url in (text, f"https://m.example/{text}"):
        try:
            parts = compile_destination(url, "u")
        except FieldError:
            continue
        if raw_parameter(parts) is None:
            _check_location(expand(prepare_expansion(parts, [None] * 10), CLICK_ID, text, lambda name: text), None)


def _check_location(location: str, host: str | None) -> Any:
    assert location.isascii()
    assert location.isprintable()
    assert not set(location) & set(' <>"\\')
    split = urlsplit(location)
    assert split.scheme in ("http", "https")
    assert split.hostname
    assert host is None or split.netloc == host
    return split


def _by_chance(count: int, chance: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        pieces = [
            chance.choice(_PIECES) if chance.random() < 0.8 else chr(chance.randrange(256))
            for _ in range(chance.randrange(24))
        ]
        yield "".join(pieces).encode("utf-8" if chance.random() < 0.2 else "latin-1", "replace")


def run(count: int, report: Callable[[str], object]) -> None:
    """Try `count` inputs by chance, always the same ones."""
    began = monotonic()
    for number, data in enumerate(_by_chance(count, random.Random(count)), 1):
        try:
            check(data)
        except Exception:
            report(f"input {number} breaks a property: {data!r}\n")
            raise
    report(f"{count:,} inputs by chance in {monotonic() - began:.0f} s, none breaks a property\n")


def main(arguments: list[str]) -> None:
    """Try as many inputs as the command line says, with atheris where it is installed."""
    count = int(arguments[0]) if arguments else COUNT
    if find_spec("atheris") is None:
        run(count, sys.stdout.write)
        return
    import atheris

    atheris.Setup([sys.argv[0], f"-runs={count}", "-max_len=8192", "-print_final_stats=1"], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
