"""Turns batches of usual click records into rows of COPY's text format, column by column. Pure.

PERF: a click takes half the time of `click_row`, which converts each record by itself. A batch that holds anything
unusual, such as poison, is left to `click_row`, which has the last word; both write the same bytes. A visitor cannot
make a batch unusual: these functions take any text that a request may carry.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any

import orjson

from tracking.clicks import SUB_COUNT, SUB_PLACES, are_genuine, sub_values
from tracking.spool import CLICK_RECORD_VERSION, Batch, Range, as_text
from worker.clicks.copy_text import NULL, escape
from worker.clicks.kept_addresses import kept_columns
from worker.clicks.rows import (
    FIELD_TYPES,
    REQUEST_TEXTS,
    TEXTS_OR_NONE,
    ClickRow,
    class_of,
    cuts_text,
    query_parameters,
    routing_fields,
    stated_text,
    timestamp,
    unique_text,
)
from worker.clicks.visitors import Visitors
from worker.runtime import PoisonError
from worker.spool import BIGINT_MAX, DAY_MS, Rules, check_moment

Days = Counter[tuple[int, int, str]]
# PERF: few enough that what is made of a block stays in the processor's cache, and below what wakes Python's collector.
_BLOCK_RECORDS = 100
_SPECIAL = "\\\n\r\t"
_NO_CUTS = (NULL,)
_NO_ROUTING = (f"{NULL}\t{NULL}\t{NULL}\n",)
_AT_MS, _LINK_ID, _PROFILE_ID, _CONFIG_VERSION, _METHOD = 2, 3, 4, 5, 6
_QUERY, _IP, _USER_AGENT, _REFERRER, _LANGUAGE, _PURPOSE, _SUB_DEFAULTS, _ROUTING = 9, 10, 11, 12, 13, 14, 16, 17


@dataclass(slots=True)
class ClickRows:
    """Clicks ready for COPY, in the order of their spool numbers. The same index of each list is one click.

    `days` are the days of the clicks, `partitions` the days of their ids; all are day numbers in UTC.
    """

    numbers: list[int] = field(default_factory=list)
    click_ids: list[str] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    link_ids: list[int] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    # The version of the lists that the classes are by; empty for a part of the rows.
    lists: str = ""

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, row: ClickRow) -> None:
        """Add one click."""
        self.numbers.append(row.number)
        self.click_ids.append(row.click_id)
        self.days.append(row.day)
        self.link_ids.append(row.link_id)
        self.classes.append(row.click_class)
        self.lines.append(row.line)
        self.partitions.add(row.partition)

    def parts(self, places: Iterable[tuple[int, int]]) -> ClickRows:
        """Return the clicks at these [low, high) places."""
        part = ClickRows(partitions=self.partitions)
        for low, high in places:
            part.numbers += self.numbers[low:high]
            part.click_ids += self.click_ids[low:high]
            part.days += self.days[low:high]
            part.link_ids += self.link_ids[low:high]
            part.classes += self.classes[low:high]
            part.lines += self.lines[low:high]
        return part

    def within(self, gaps: Iterable[Range]) -> ClickRows:
        """Return the clicks whose numbers lie in one of `gaps`, which are in order."""
        return self.parts((bisect_left(self.numbers, low), bisect_left(self.numbers, high)) for low, high in gaps)

    def day_counts(self) -> Days:
        """Return how many clicks there are by day, link and class."""
        return Counter(zip(self.days, self.link_ids, self.classes, strict=True))


def fast_rows(batch: Batch, rules: Rules, visitors: Visitors) -> ClickRows | None:
    """Return the rows of a batch that holds only usual clicks, None for any other batch."""
    rows = ClickRows()
    try:
        for at in range(0, len(batch.payloads), _BLOCK_RECORDS):
            block = Batch(batch.spool_id, batch.first + at, batch.payloads[at : at + _BLOCK_RECORDS])
            _add_block(rows, block, rules, visitors)
    except PoisonError:
        return None
    return rows


def _add_block(rows: ClickRows, block: Batch, rules: Rules, visitors: Visitors) -> None:
    columns: Sequence[Sequence[Any]] = _columns(block.payloads)
    ids, moments, links = columns[1], columns[_AT_MS], columns[_LINK_ID]
    _check_ids(ids, rules)
    days = _days(moments, rules)
    partitions = set(_days([_minted_ms(min(ids)), _minted_ms(max(ids))], rules))
    if len(partitions) > 1:
        partitions = set(_days([_minted_ms(click_id) for click_id in ids], rules))
    for index in (_LINK_ID, _PROFILE_ID, _CONFIG_VERSION):
        if min(columns[index]) < 0 or max(columns[index]) > BIGINT_MAX:
            raise PoisonError("a number out of range")
    addresses, places, _, highs, datacenters = zip(*map(visitors.addresses.__getitem__, columns[_IP]), strict=True)
    devices, lows, bots = zip(*map(visitors.agents.__getitem__, columns[_USER_AGENT]), strict=True)
    classes = list(map(class_of, columns[_METHOD], columns[_PURPOSE], bots, datacenters))
    columns, kept = kept_columns(columns, addresses, visitors.storages)
    parameters, cuts = zip(*map(query_parameters, columns[_QUERY]), strict=True)
    # Where JSON has no backslash, COPY has nothing to escape either.
    documents = b"\x00".join(map(orjson.dumps, parameters)).decode()
    plain = "\\" not in documents
    numbers = range(block.first, block.first + len(ids))
    fields = (
        ids,
        map(timestamp, moments),
        map(str, links),
        map(str, columns[_PROFILE_ID]),
        map(str, columns[_CONFIG_VERSION]),
        classes,
        [block.spool_id] * len(ids),
        map(str, numbers),
        *(_texts(columns[index]) for index in REQUEST_TEXTS),
        documents.split("\x00") if plain else map(escape, documents.split("\x00")),
        kept,
        _subs(parameters, columns[_SUB_DEFAULTS], plain),
        places,
        devices,
        map(visitors.languages.__getitem__, columns[_LANGUAGE]),
        map(visitors.referrers.__getitem__, columns[_REFERRER]),
        map(stated_text, parameters),
        map(cuts_text, cuts) if any(cuts) else _NO_CUTS * len(ids),
        _visitor_numbers(highs, lows),
        map(unique_text, classes),
        _routings(columns[_ROUTING]),
    )
    rows.lines += map("\t".join, zip(*fields, strict=True))
    rows.numbers += numbers
    rows.click_ids += ids
    rows.days += days
    rows.link_ids += links
    rows.classes += classes
    rows.partitions |= partitions


def _columns(payloads: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the version and each field of the records as a tuple a column, after checking the types of all values."""
    try:
        records = list(map(orjson.loads, payloads))
    except orjson.JSONDecodeError:
        raise PoisonError("not JSON") from None
    if set(map(type, records)) != {list} or set(map(len, records)) != {len(FIELD_TYPES) + 1}:
        raise PoisonError("not a record")
    columns = list(zip(*records, strict=True))
    if any(set(map(type, column)) != {wanted} for column, wanted in zip(columns, FIELD_TYPES, strict=False)):
        raise PoisonError("a field of another type")
    if set(columns[0]) != {CLICK_RECORD_VERSION}:
        raise PoisonError("another version")
    return columns


def _check_ids(ids: Sequence[str], rules: Rules) -> None:
    if not any(are_genuine(ids, key) for key in rules.click_id_keys):
        raise PoisonError("an id forged, or written otherwise, or ids of several keys")


def _minted_ms(click_id: str) -> int:
    return int(click_id[:8] + click_id[9:13], 16)


def _days(moments: Sequence[int], rules: Rules) -> list[int]:
    low, high = min(moments), max(moments)
    check_moment(low, rules.now_ms)
    check_moment(high, rules.now_ms)
    if low // DAY_MS == high // DAY_MS:
        return [low // DAY_MS] * len(moments)
    return [moment // DAY_MS for moment in moments]


def _visitor_numbers(highs: Sequence[int | None], lows: Sequence[int]) -> Iterable[str]:
    """Return the column `visitor`."""
    if None in highs:
        return [NULL if high is None else str(high + low) for high, low in zip(highs, lows, strict=True)]
    return map(str, map(add, highs, lows))


def _texts(raw: Sequence[str]) -> Iterable[str]:
    """Return a column of texts from requests, readable and escaped."""
    joined = "\x00".join(raw)
    # PERF: nearly all are plain ASCII without NUL, which as_text returns unchanged. It never adds or removes a
    # character that COPY escapes.
    texts = raw if joined.isascii() and joined.count("\x00") == len(raw) - 1 else map(as_text, raw)
    return map(escape, texts) if _has_special(joined) else texts


def _subs(parameters: Sequence[dict[str, str]], defaults: Sequence[list[str | None]], plain: bool) -> list[str]:
    """Return the ten sub ids of each click. `plain`: no parameter needs an escape."""
    filled: dict[tuple[str | None, ...], list[str]] = {}
    ends = []
    for values, own in zip(parameters, defaults, strict=True):
        key = tuple(own)
        try:
            subs = filled.get(key)
        except TypeError:
            raise PoisonError("sub_defaults are not texts") from None
        if subs is None:
            subs = filled[key] = _filled(key)
        subs = subs.copy()
        for name in values:
            place = SUB_PLACES.get(name)
            if place is None:
                continue
            if place[1] or not plain:
                # When several names stand for one sub id, the first of them counts; and a value may need an escape.
                subs = [NULL if value is None else escape(value) for value in sub_values(values, own)]
                break
            subs[place[0]] = values[name]
        ends.append("\t".join(subs))
    return ends


def _routings(column: Sequence[object]) -> Sequence[str]:
    """Return the columns that come from `routing`, with the end of the line."""
    if set(map(type, column)) == {type(None)}:
        # PERF: links without rules.
        return _NO_ROUTING * len(column)
    return [
        "\t".join(NULL if text is None else escape(text) for text in routing_fields(routing)) + "\n"
        for routing in column
    ]


def _filled(defaults: Sequence[str | None]) -> list[str]:
    """Return a link's default sub ids as COPY has them, all ten."""
    if len(defaults) > SUB_COUNT or not TEXTS_OR_NONE.issuperset(map(type, defaults)):
        raise PoisonError("sub_defaults are not up to ten texts")
    return [*(NULL if text is None else escape(text) for text in defaults), *[NULL] * (SUB_COUNT - len(defaults))]


def _has_special(text: str) -> bool:
    return any(character in text for character in _SPECIAL)
