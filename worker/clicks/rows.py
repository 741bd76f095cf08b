"""Turns a click record into a row of COPY's text format, checked field by field. Pure; raises PoisonError.

No text is too long: the edge's server limits the headers of a request, and what passed is kept whole. Batches of usual
records go through `columns`, which writes the same rows faster; this module decides what a record means.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from config.tables import clicks
from tracking.clicks import SUB_COUNT, click_id_bytes, parse_query, sub_values
from tracking.spool import CLICK_RECORD_VERSION, Click, RecordError, as_text, classify, decode_click
from worker.clicks.partitions import day_of
from worker.runtime import FORGED_CLICK_ID, PoisonError
from worker.spool import BIGINT_MAX, DAY_MS, Rules, check_ip, check_moment

NULL = "\\N"
# The backslash first: the others' escapes bring new ones.
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
TEXTS_OR_NONE = frozenset({str, type(None)})
# The types of a record's version and fields, in order.
FIELD_TYPES = (int, str, int, int, int, int, *[str] * 10, list)
_QUERY = 1 + Click._fields.index("query")
REQUEST_TEXTS = tuple(1 + Click._fields.index(name) for name in clicks.REQUEST)


class ClickRow(NamedTuple):
    """A click ready for COPY. `partition` is the day number of its id, `day` that of the click, both in UTC."""

    number: int
    click_id: str
    partition: int
    day: int
    link_id: int
    click_class: str
    line: str


def click_row(payload: object, spool_id: str, number: int, rules: Rules) -> ClickRow:
    """Return the row of record `number` of a spool, or raise PoisonError."""
    values = _decode(payload)
    _, click_id, at_ms, link_id, profile_id, config_version, method, *_, ip, _, _, _, purpose, _, sub_defaults = values
    raw_id = click_id_bytes(click_id, rules.click_id_keys)
    if raw_id is None:
        raise PoisonError(f"not a click id of ours: {click_id[:60]!r}", code=FORGED_CLICK_ID)
    minted_ms = int.from_bytes(raw_id[:6])
    check_moment(minted_ms, rules.now_ms)
    check_moment(at_ms, rules.now_ms)
    if not (0 <= link_id <= BIGINT_MAX and 0 <= profile_id <= BIGINT_MAX and 0 <= config_version <= BIGINT_MAX):
        raise PoisonError("link_id, profile_id or config_version is out of range", code="bad-field")
    click_class = class_of(method, purpose)
    # It matched in full, so this is the canonical form.
    click_id = click_id.strip().lower()
    parameters = query_parameters(values[_QUERY])
    fields = [
        *(
            click_id,
            timestamp(at_ms),
            str(link_id),
            str(profile_id),
            str(config_version),
            click_class,
            spool_id,
            str(number),
        ),
        *(as_text(values[index]) for index in REQUEST_TEXTS),
        orjson.dumps(parameters).decode(),
        check_ip(ip),
        *sub_values(parameters, sub_defaults),
    ]
    line = "\t".join([NULL if field is None else escape(field) for field in fields]) + "\n"
    return ClickRow(number, click_id, minted_ms // DAY_MS, at_ms // DAY_MS, link_id, click_class, line)


def query_parameters(query: str) -> dict[str, str]:
    """Return the parameters of a raw query string as jsonb takes them: NUL becomes U+FFFD."""
    parameters = parse_query(query)
    if "%00" in query or "\x00" in query:
        return {name.replace("\x00", "\ufffd"): value.replace("\x00", "\ufffd") for name, value in parameters.items()}
    return parameters


@lru_cache(maxsize=10_000)
def timestamp(at_ms: int) -> str:
    """Return Unix milliseconds as PostgreSQL reads a timestamptz."""
    day, of_day = divmod(at_ms // 1000, DAY_MS // 1000)
    minutes, seconds = divmod(of_day, 60)
    return f"{day_of(day).isoformat()} {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{at_ms % 1000:03d}+00"


def escape(text: str) -> str:
    """Return a field as COPY's text format has it."""
    # PERF: looking for a character is ten times as fast as replacing one that is not there.
    for character, escaped in _ESCAPES:
        if character in text:
            text = text.replace(character, escaped)
    return text


@lru_cache(maxsize=1000)
def class_of(method: str, purpose: str) -> str:
    """Return the class of a click as it is stored."""
    return classify(method, purpose).value


def _decode(payload: object) -> list[Any]:
    """Return a record's version and fields, after checking their types."""
    try:
        values = orjson.loads(payload) if isinstance(payload, str) else None
    except orjson.JSONDecodeError:
        values = None
    # PERF: one comparison of seventeen types. Only when they differ does `_fault` look for the field.
    if type(values) is not list or tuple(map(type, values)) != FIELD_TYPES or values[0] != CLICK_RECORD_VERSION:
        raise _fault(payload)
    if len(values[-1]) > SUB_COUNT or not TEXTS_OR_NONE.issuperset(map(type, values[-1])):
        raise PoisonError("sub_defaults are not up to ten texts", code="bad-field")
    return values


def _fault(payload: object) -> PoisonError:
    """Return what is wrong with a payload that is not a record."""
    if not isinstance(payload, str):
        return PoisonError("the payload is not text", code="bad-record")
    try:
        click = decode_click(payload)
    except RecordError as error:
        return PoisonError(error.message, code=error.code)
    wrong = (
        f"{name} is not {wanted.__name__}"
        for name, value, wanted in zip(Click._fields, click, FIELD_TYPES[1:], strict=True)
        if type(value) is not wanted
    )
    return PoisonError(next(wrong, "the version is not a number"), code="bad-field")
