"""Turns a click record into a row of COPY's text format, checked field by field. Pure; raises PoisonError.

No text is too long: the edge's server limits the headers of a request, and what passed is kept whole. Batches of usual
records go through `columns`, which writes the same rows faster; this module decides what a record means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from config.tables import clicks
from tracking.clicks import STATED_NAMES, SUB_COUNT, click_id_bytes, parse_bounded, stated, sub_values
from tracking.spool import CLICK_RECORD_VERSION, Click, RecordError, as_text, decode_click
from tracking.traffic import TrafficClass, class_of_facts
from worker.clicks.copy_text import NULL, escape, field
from worker.clicks.kept_addresses import kept_address, kept_record, storage_of
from worker.clicks.partitions import day_of
from worker.clicks.visitors import Visitors, visitor_text
from worker.runtime import FORGED_CLICK_ID, PoisonError
from worker.spool import BIGINT_MAX, DAY_MS, Rules, check_moment

TEXTS_OR_NONE = frozenset({str, type(None)})
# The types of a record's version and fields, in order. After them comes `routing`: what `routing_fields` takes.
FIELD_TYPES = (int, str, int, int, int, int, *[str] * 10, list)
_FIELDS = len(FIELD_TYPES) + 1
ROUTING_FIELDS = 6
_NOTHING_STATED = f"{NULL}\t{NULL}\t{NULL}"
_VALID = TrafficClass.VALID.value
_NUL_IN_JSON = "\\u0000"
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


def click_row(payload: object, spool_id: str, number: int, rules: Rules, visitors: Visitors) -> ClickRow:
    """Return the row of record `number` of a spool, or raise PoisonError."""
    values = _decode(payload)
    (
        _,
        click_id,
        at_ms,
        link_id,
        profile_id,
        config_version,
        method,
        *_,
        ip,
        user_agent,
        referrer,
        accept_language,
        purpose,
        _,
        sub_defaults,
        routing,
    ) = values
    raw_id = click_id_bytes(click_id, rules.click_id_keys)
    if raw_id is None:
        raise PoisonError(f"not a click id of ours: {click_id[:60]!r}", code=FORGED_CLICK_ID)
    minted_ms = int.from_bytes(raw_id[:6])
    check_moment(minted_ms, rules.now_ms)
    check_moment(at_ms, rules.now_ms)
    if not (0 <= link_id <= BIGINT_MAX and 0 <= profile_id <= BIGINT_MAX and 0 <= config_version <= BIGINT_MAX):
        raise PoisonError("link_id, profile_id or config_version is out of range", code="bad-field")
    # It matched in full, so this is the canonical form.
    click_id = click_id.strip().lower()
    address, agent = visitors.addresses[ip], visitors.agents[user_agent]
    click_class = class_of(method, purpose, agent.bot, address.datacenter)
    values = kept_record(values, visitors.storages)
    parameters, cuts = query_parameters(values[_QUERY])
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
    ]
    line = "\t".join(
        [
            *map(escape, fields),
            kept_address(address.ip, storage_of(profile_id, visitors.storages)),
            *(NULL if text is None else escape(text) for text in sub_values(parameters, sub_defaults)),
            *(address.columns, agent.columns, visitors.languages[accept_language], visitors.referrers[referrer]),
            *(stated_text(parameters), cuts_text(cuts), visitor_text(address, agent), unique_text(click_class)),
            *(NULL if text is None else escape(text) for text in routing_fields(routing)),
        ]
    )
    return ClickRow(number, click_id, minted_ms // DAY_MS, at_ms // DAY_MS, link_id, click_class, line + "\n")


def query_parameters(query: str) -> tuple[dict[str, str], dict[str, int] | None]:
    """Return the parameters of a raw query string and what was cut, as jsonb takes them: NUL becomes U+FFFD."""
    parameters, cuts = parse_bounded(query)
    if "%00" in query or "\x00" in query:
        parameters = {_storable(name): _storable(value) for name, value in parameters.items()}
        cuts = cuts and {_storable(name): length for name, length in cuts.items()}
    return parameters, cuts


def stated_text(parameters: Mapping[str, str]) -> str:
    """Return the columns STATED as COPY has them."""
    if STATED_NAMES.isdisjoint(parameters):
        # PERF: most clicks.
        return _NOTHING_STATED
    campaign, external_id, cost = stated(parameters)
    return f"{field(campaign)}\t{field(external_id)}\t{NULL if cost is None else format(cost, 'f')}"


def cuts_text(cuts: dict[str, int] | None) -> str:
    """Return the column `cuts` as COPY has it."""
    return NULL if cuts is None else escape(orjson.dumps(cuts).decode())


def unique_text(click_class: str) -> str:
    """Return the column `is_unique` as COPY has it: every valid click counts as unique until it is settled."""
    return "t" if click_class == _VALID else "f"


def routing_fields(routing: object) -> tuple[str | None, str | None, str | None]:
    """Return the columns routing, rule_id and destination_id of a record's `routing`, or raise PoisonError."""
    if routing is None:
        return None, None, None
    # As in tracking.spool.Click: revision, passed over, rule_id, destination_id, how, facts.
    if type(routing) is not list or len(routing) != ROUTING_FIELDS:
        raise PoisonError(f"routing is not null or a list of {ROUTING_FIELDS}", code="bad-field")
    document = orjson.dumps(routing).decode()
    if _NUL_IN_JSON in document:
        # jsonb takes no NUL. This also finds a backslash before u0000, of which nothing is replaced.
        document = orjson.dumps(_without_nul(routing)).decode()
    return document, _id_or_none(routing[2]), _id_or_none(routing[3])


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_storable(name): _without_nul(each) for name, each in value.items()}
    return value


def _id_or_none(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= BIGINT_MAX:
        raise PoisonError("a rule_id or destination_id is out of range", code="bad-field")
    return str(value)


@lru_cache(maxsize=10_000)
def timestamp(at_ms: int) -> str:
    """Return Unix milliseconds as PostgreSQL reads a timestamptz."""
    day, of_day = divmod(at_ms // 1000, DAY_MS // 1000)
    minutes, seconds = divmod(of_day, 60)
    return f"{day_of(day).isoformat()} {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{at_ms % 1000:03d}+00"


@lru_cache(maxsize=1000)
def class_of(method: str, purpose: str, bot: bool, datacenter: bool) -> str:
    """Return the class of a click as it is stored, before it is settled."""
    return class_of_facts(method, purpose, bot, datacenter).value


def _decode(payload: object) -> list[Any]:
    """Return a record's version and fields, after checking their types."""
    try:
        values = orjson.loads(payload) if isinstance(payload, str) else None
    except orjson.JSONDecodeError:
        values = None
    if type(values) is not list or len(values) != _FIELDS or values[0] != CLICK_RECORD_VERSION:
        # Another version, or no record.
        values = _of_any_version(payload)
    # PERF: one comparison of seventeen types. Only when they differ does `_fault` look for the field.
    if tuple(map(type, values[:-1])) != FIELD_TYPES:
        raise _fault(values)
    sub_defaults = values[-2]
    if len(sub_defaults) > SUB_COUNT or not TEXTS_OR_NONE.issuperset(map(type, sub_defaults)):
        raise PoisonError("sub_defaults are not up to ten texts", code="bad-field")
    return values


def _of_any_version(payload: object) -> list[Any]:
    """Return a record as one of this version, or raise PoisonError."""
    if not isinstance(payload, str):
        raise PoisonError("the payload is not text", code="bad-record")
    try:
        return [CLICK_RECORD_VERSION, *decode_click(payload)]
    except RecordError as error:
        raise PoisonError(error.message, code=error.code) from None


def _fault(values: Sequence[Any]) -> PoisonError:
    """Return what is wrong with a record that has a field of a wrong type."""
    wrong = (
        f"{name} is not {wanted.__name__}"
        for name, value, wanted in zip(Click._fields, values[1:], FIELD_TYPES[1:], strict=False)
        if type(value) is not wanted
    )
    return PoisonError(next(wrong, "the version is not a number"), code="bad-field")
