"""The query parameters of a click, and the sub ids among them, also under the names that other trackers use. Parsing
them never fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from tracking.clicks.template import SUB_COUNT

PARAMETERS_MAX = 200

# Names accepted for each sub id, in order of precedence. Source: the parameter names of Voluum, Keitaro, TUNE and
# Binom.
SUB_ALIASES: tuple[tuple[str, ...], ...] = tuple(
    (f"sub{n}", f"sub_id_{n}", f"s{n}", f"t{n}", *(("subid", "aff_sub") if n == 1 else ()))
    for n in range(1, SUB_COUNT + 1)
)
# For each accepted name, the index of its sub id and the rank of the name; rank 0 is the first choice.
SUB_PLACES = {name: (index, rank) for index, names in enumerate(SUB_ALIASES) for rank, name in enumerate(names)}
EXTERNAL_ID_NAMES = ("cid", "externalid", "external_id")


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters of a raw query string: the first value of each name, and at most 200 names.

    `query` is latin-1 of raw bytes, as in WSGI. The bytes are read as UTF-8 after percent-decoding; those that are not
    become U+FFFD.
    """
    parameters: dict[str, str] = {}
    if not query:
        return parameters
    if query.isascii() and "%" not in query and query.count("&") < PARAMETERS_MAX:
        # PERF: most queries have nothing to decode but spaces, and nothing to leave out. That takes half the time.
        for pair in query.replace("+", " ").split("&"):
            name, _, value = pair.partition("=")
            if name and name not in parameters:
                parameters[name] = value
        return parameters
    for pair in query.split("&", PARAMETERS_MAX):
        name, _, value = pair.partition("=")
        name = _decode(name)
        if name and name not in parameters and len(parameters) < PARAMETERS_MAX:
            parameters[name] = _decode(value)
    return parameters


def sub_value(number: int, parameters: Mapping[str, str], defaults: Sequence[str | None]) -> str | None:
    """Return sub id `number` (1..10) of a click: a parameter under any accepted name, else the link's default."""
    for name in SUB_ALIASES[number - 1]:
        value = parameters.get(name)
        if value is not None:
            return value
    return defaults[number - 1] if number <= len(defaults) else None


def sub_values(parameters: Mapping[str, str], defaults: Sequence[str | None]) -> list[str | None]:
    """Return all ten sub ids, each as `sub_value` returns it.

    PERF: it looks at the parameters that there are, not at the 42 possible names: 1.2 microseconds instead of 4.5.
    """
    values = [*defaults[:SUB_COUNT], *[None] * (SUB_COUNT - len(defaults))]
    ranks: dict[int, int] = {}
    for name, value in parameters.items():
        place = SUB_PLACES.get(name)
        if place is not None and place[1] < ranks.get(place[0], SUB_COUNT):
            values[place[0]] = value
            ranks[place[0]] = place[1]
    return values


def _decode(raw: str) -> str:
    # PERF: most names and values are plain ASCII without escapes, and need no decoding.
    if raw.isascii() and "%" not in raw and "+" not in raw:
        return raw
    return unquote_to_bytes(raw.replace("+", " ").encode("latin-1", "replace")).decode("utf-8", "replace")
