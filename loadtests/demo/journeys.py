"""What merchants report about the demo's clicks: who registers, deposits and earns, and the mistakes merchants make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import NamedTuple

from tracking.conversions import ConversionStatus, Event
from tracking.money import parse_amount

CURRENCY = "USD"
SHARE_DEFAULT = 0.12
_FTD_SHARE = 0.45
_QUALIFIED_SHARE = 0.6
_REVENUE_SHARE = 0.5
_PENDING_SHARE = 0.2
_CHARGEBACK_SHARE = 0.05
_DUPLICATE_SHARE = 0.1
_DEPOSITS_MAX = 3


class Kind(StrEnum):
    """Why a postback is sent; it decides which answers are right."""

    NEW = "new"
    TRANSITION = "transition"
    DUPLICATE = "duplicate"
    FORGED = "forged"
    UNAUTHENTICATED = "unauthenticated"


class Step(NamedTuple):
    """One postback of a click. `route` is json (POST /v1/postback), get or post (/postback/{token})."""

    kind: Kind
    route: str
    event: Event
    payout: str | None = None
    order_id: str | None = None
    status: ConversionStatus | None = None


class Expected(NamedTuple):
    """A conversion as it must stand in the end."""

    event: str
    order_id: str | None
    status: str
    payout_minor: int | None


@dataclass
class Journey:
    """All postbacks of one click, and the conversions they must lead to. `later` are changes of what `steps` reported.

    A review or a chargeback comes days after the report, so `later` is sent once `steps` are stored.
    """

    click_id: str
    steps: list[Step] = field(default_factory=list)
    later: list[Step] = field(default_factory=list)
    expected: set[Expected] = field(default_factory=set)


def plan_journeys(click_ids: Sequence[str], share: float, seed: int) -> Iterator[Journey]:
    """Yield a journey for a share of the click ids, at least one, with one forged and several unauthenticated ones."""
    random = Random(seed)
    chosen = random.sample(click_ids, min(len(click_ids), max(1, round(len(click_ids) * share))))
    for number, click_id in enumerate(chosen):
        if number % 40 == 0:
            yield Journey(forge(click_id), [Step(Kind.FORGED, _route(random), Event.REGISTRATION)])
        if number % 25 == 1:
            yield _unauthenticated(click_id)
        else:
            yield _player(click_id, random, str(number))


def forge(click_id: str) -> str:
    """Return a well-formed id that was never minted: the last hex digit of the tag is another one."""
    return click_id[:-1] + ("0" if click_id[-1] != "0" else "1")


def _unauthenticated(click_id: str) -> Journey:
    step = Step(Kind.UNAUTHENTICATED, "json", Event.CONVERSION, "5.00")
    expected = Expected(Event.CONVERSION, None, ConversionStatus.PENDING, parse_amount("5.00", CURRENCY))
    return Journey(click_id, [step], expected={expected})


def _player(click_id: str, random: Random, name: str) -> Journey:
    journey = Journey(click_id)
    _report(journey, random, Step(Kind.NEW, _route(random), Event.REGISTRATION))
    if random.random() >= _FTD_SHARE:
        return journey
    chargeback = random.random() < _CHARGEBACK_SHARE
    _report(
        journey,
        random,
        Step(Kind.NEW, _route(random), Event.FTD, "25.00"),
        chargeback=chargeback,
    )
    for number in range(random.randint(0, _DEPOSITS_MAX)):
        status = ConversionStatus.PENDING if random.random() < _PENDING_SHARE else None
        payout, order_id = (
            f"{random.randint(1000, 25000) / 100:.2f}",
            f"D-{name}-{number}-{click_id[-6:]}",
        )
        _report(
            journey,
            random,
            Step(Kind.NEW, _route(random), Event.DEPOSIT, payout, order_id, status),
        )
    if random.random() < _QUALIFIED_SHARE:
        _report(journey, random, Step(Kind.NEW, _route(random), Event.QUALIFIED))
    if random.random() < _REVENUE_SHARE:
        payout, order_id = (
            f"{random.randint(100, 9000) / 100:.2f}",
            f"R-{name}-{click_id[-6:]}",
        )
        _report(
            journey,
            random,
            Step(Kind.NEW, _route(random), Event.REVENUE_SHARE, payout, order_id),
        )
    return journey


def _report(journey: Journey, random: Random, step: Step, chargeback: bool = False) -> None:
    """Add a postback, at times its exact repetition, and the status change that follows a pending or reversed one."""
    journey.steps.append(step)
    if random.random() < _DUPLICATE_SHARE:
        journey.steps.append(step._replace(kind=Kind.DUPLICATE))
    status = ConversionStatus.APPROVED
    if step.status is ConversionStatus.PENDING:
        journey.later.append(step._replace(kind=Kind.TRANSITION, status=status))
    elif chargeback:
        status = ConversionStatus.REVERSED
        journey.later.append(step._replace(kind=Kind.TRANSITION, status=status))
    payout_minor = None if step.payout is None else parse_amount(step.payout, CURRENCY)
    journey.expected.add(Expected(step.event, step.order_id, status, payout_minor))


def _route(random: Random) -> str:
    return random.choice(("json", "get", "post"))
