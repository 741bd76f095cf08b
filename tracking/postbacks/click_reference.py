"""Finds the click of a postback: the one genuine click id among its parameters, whatever parameter has it.

A click id has a keyed tag, so one that is found in the wrong parameter is not there by chance. A postback with two
different ones is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from tracking.clicks import parse_click_id, parse_dyn
from tracking.conversions import PostbackReason
from tracking.postbacks.parameters import Parameters, PostbackError

# The lengths of the shortest dynamic variable, and of a click id with some white space around it.
_CHARACTERS_MIN, _CHARACTERS_MAX = 26, 64
# How much of a corrected value is recorded. SECURITY: a sender's junk must not make the record too large for the spool.
CORRECTION_CHARACTERS_MAX = 1000
_JUNK_WORDS = frozenset(
    {"null", "undefined", "none", "nil", "nan", "n/a", "(null)", "(none)", "(not set)", "[object object]"}
)
# A macro that the sender's system did not replace, in the notations of other trackers. Percent-decoding may have
# damaged the beginning of %NAME%.
_NAME = "[A-Za-z_][\\w.: -]*"
_MACRO = re.compile(rf"\[{_NAME}\]|<{_NAME}>|#{_NAME}#|\${_NAME}|__\w+__|[%\ufffd]+\w*%|.*\{{[^{{}}]*\}}.*", re.DOTALL)


class CorrectionRule(StrEnum):
    """How a postback was corrected."""

    CLICK_IN_ANOTHER_PARAMETER = "click-in-another-parameter"
    CLICK_AND_DYN_SWAPPED = "click-and-dyn-swapped"
    JUNK_REMOVED = "junk-removed"
    AMOUNT_READ = "amount-read"


class Correction(NamedTuple):
    """One correction: the field, what was sent for it, and what that was taken for.

    `from_` begins with the name of the parameter if that belongs to another field.
    """

    field: str
    from_: str | None
    to: str | None
    rule: CorrectionRule

    def as_record(self) -> dict[str, str | None]:
        """Return it as the record's fields hold it."""
        sent = None if self.from_ is None else self.from_[:CORRECTION_CHARACTERS_MAX]
        return {"field": self.field, "from": sent, "to": self.to, "rule": self.rule.value}


class FoundClick(NamedTuple):
    """The click of a postback. Without a genuine id, `click_id` is None and `refusal` says why, or `is_missing` is set.

    `found_in` are the parameters of other fields that have the click id as their value.
    """

    click_id: str | None
    is_missing: bool = False
    refusal: str = ""
    found_in: frozenset[str] = frozenset()
    corrections: tuple[Correction, ...] = ()


def find_click(
    parameters: Parameters, keys: Sequence[bytes], names: Sequence[str], own_names: Sequence[str]
) -> FoundClick:
    """Return the click of a postback, or raise PostbackError ambiguous-click.

    `names` are the parameters accepted for the click id, in order. If the account has named the parameter itself
    (`own_names`) and it has a genuine id, no other parameter is looked at.
    """
    named = {name: parameters[name].strip() for name in names if parameters.get(name, "").strip()}
    for name in names:
        if name in parameters.repeated:
            raise _ambiguous(f"{name} is sent twice with different values")
    genuine = {name: found for name, text in named.items() if (found := genuine_click(text, keys)) is not None}
    for name in own_names:
        if name in genuine:
            return FoundClick(genuine[name])
    elsewhere = {
        name: found
        for name, text in parameters.items()
        if name not in named and (found := genuine_click(text, keys)) is not None
    }
    if len({*genuine.values(), *elsewhere.values()}) > 1:
        raise _ambiguous(f"{', '.join(sorted({*genuine, *elsewhere}))} name different clicks")
    first = next(iter(named.values()), None)
    if genuine:
        return FoundClick(next(iter(genuine.values())), corrections=_corrections(named, genuine))
    if elsewhere:
        name, click_id = next(iter(elsewhere.items()))
        there = f"{name}={parameters[name].strip()}"
        moved = Correction("click_id", there, click_id, CorrectionRule.CLICK_IN_ANOTHER_PARAMETER)
        return FoundClick(click_id, found_in=frozenset(elsewhere), corrections=(moved,))
    if first is None:
        return FoundClick(None, is_missing=True)
    if is_junk(first):
        return FoundClick(
            None, refusal=f"no such click: {first[:60]!r} stands where your system should fill in the click id"
        )
    return FoundClick(
        None,
        refusal="no such click: click_id was not issued by this tracker; send what the tracking link passed, unchanged",
    )


def genuine_click(text: str, keys: Sequence[bytes]) -> str | None:
    """Return the click id that a text is, also as a dynamic variable; None if it is not one of ours."""
    if not _CHARACTERS_MIN <= len(text) <= _CHARACTERS_MAX:
        return None
    click_id = parse_click_id(text, keys) or parse_dyn(text, keys)
    return None if click_id is None else str(click_id)


def is_junk(text: str) -> bool:
    """Whether a text has no meaning: a macro that was not replaced, or a programming language's word for no value."""
    return text.strip().lower() in _JUNK_WORDS or _MACRO.fullmatch(text.strip()) is not None


def _corrections(named: dict[str, str], genuine: dict[str, str]) -> tuple[Correction, ...]:
    first_name, first = next(iter(named.items()))
    if first_name not in genuine and is_junk(first):
        return (Correction("click_id", first, next(iter(genuine.values())), CorrectionRule.JUNK_REMOVED),)
    dyn = named.get("dyn", "")
    swapped = [named[name] for name in genuine if name != "dyn" and "-" not in named[name]]
    if "dyn" in genuine and "-" in dyn and swapped:
        return (Correction("click_id", swapped[0], genuine["dyn"], CorrectionRule.CLICK_AND_DYN_SWAPPED),)
    return ()


def _ambiguous(reason: str) -> PostbackError:
    return PostbackError(
        f"{reason}; send the one click id that is meant", code=PostbackReason.AMBIGUOUS_CLICK, field="click_id"
    )
