"""Makes the URL of one click from a compiled template, after preparing once for the link whatever can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from tracking.clicks.parameters import cut_values, parse_query
from tracking.clicks.template import DYN_PREFIX
from tracking.clicks.vocabulary import CLICK_MACROS, PARAMETER_MACROS, SUB_COUNT, SUB_NAMES, TEXT_CHARACTERS_MAX

_SUB_INDEX = {name: index for index, name in enumerate(SUB_NAMES)}


class Expansion(NamedTuple):
    """A compiled template with its macros sorted by where their values come from. Numbers are indexes of `pieces`."""

    pieces: list[str]
    click_id: tuple[int, ...]
    # The index, the query parameters whose value goes there (the first one that is present), and the default.
    query: tuple[tuple[int, tuple[str, ...], str], ...]
    other: tuple[tuple[int, str], ...]


def prepare_expansion(parts: Sequence[str], sub_defaults: Sequence[str | None]) -> Expansion:
    """Return the expansion of a link's compiled template (tracking.clicks.template)."""
    return Expansion(list(parts), *_places(tuple(parts[1::2]), tuple(sub_defaults)))


# PERF: an operator's links use the same few macros in the same order, and a click of a link that is not cached needs
# this.
@lru_cache(1024)
def _places(
    names: tuple[str, ...], sub_defaults: tuple[str | None, ...]
) -> tuple[tuple[int, ...], tuple[tuple[int, tuple[str, ...], str], ...], tuple[tuple[int, str], ...]]:
    """Return where the values of these macros come from: the last three fields of an Expansion."""
    click_id, query, other = [], [], []
    for place, name in zip(range(1, 2 * len(names), 2), names, strict=True):
        index = _SUB_INDEX.get(name, SUB_COUNT)
        if name == "click_id":
            click_id.append(place)
        elif name in PARAMETER_MACROS:
            default = sub_defaults[index] if index < len(sub_defaults) else None
            query.append((place, PARAMETER_MACROS[name], default or ""))
        elif name in CLICK_MACROS or name.startswith(DYN_PREFIX):
            other.append((place, name))
        else:
            query.append((place, (name,), ""))
    return tuple(click_id), tuple(query), tuple(other)


def expand(expansion: Expansion, click_id: str, query: str, value_of: Callable[[str], str]) -> str:
    """Return the URL of one click. `query` is as in parse_query; `value_of` gives the values of `expansion.other`.

    SECURITY: every value is percent-encoded as UTF-8, so none can reach beyond its place. A click id needs no encoding.
    Parameters are cut to their limits, as they are when they are stored.
    """
    source, click_id_places, query_places, other_places = expansion
    pieces = source.copy()
    for place in click_id_places:
        pieces[place] = click_id
    if query_places:
        parameters = parse_query(query)
        # PERF: decoding makes no value longer, so in a short query nothing can be too long.
        if len(query) > TEXT_CHARACTERS_MAX:
            parameters, _ = cut_values(parameters)
        for place, names, value in query_places:
            for name in names:
                if name in parameters:
                    value = parameters[name]  # noqa: PLW2901
                    break
            # PERF: most values are letters and digits. It would take quote() a microsecond to leave them as they are.
            pieces[place] = value if value.isascii() and value.isalnum() else _quoted(value)
    for place, name in other_places:
        pieces[place] = _quoted(value_of(name))
    return "".join(pieces)


def _quoted(value: str) -> str:
    return quote(value, safe="", errors="replace")
