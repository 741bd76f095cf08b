"""Parses the parameters of a postback request: query, form or JSON.

Pure. It takes any bytes at all, and raises nothing but PostbackError.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

from tracking.clicks import PARAMETERS_MAX, parse_query
from tracking.conversions import PostbackReason
from tracking.postbacks.amounts import JsonNumber
from tracking.runtime import WaypostError

_EXPONENT_MAX = 30
# The text of a nested JSON value. It looks like a macro that was not replaced, and counts as one.
NESTED = "{nested}"
_FORM = "application/x-www-form-urlencoded"


class PostbackError(WaypostError):
    """A postback that is refused; `code` is a PostbackReason."""


class Parameters(dict[str, str]):
    """The first value of each name. `repeated` are the names that were sent with different values."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        self.repeated: set[str] = set()
        for name, value in pairs:
            if self.setdefault(name, value) != value:
                self.repeated.add(name)

    def overlaid(self, upper: Parameters) -> Parameters:
        """Return these parameters and those of `upper`, which take precedence."""
        both = Parameters()
        both.update(self)
        both.update(upper)
        both.repeated = {name for name in self.repeated if name not in upper} | upper.repeated
        return both


def parse_parameters(query: str, content_type: str, body: bytes, *, is_signed: bool = False) -> Parameters:
    """Return all parameters of a request; those of the body take precedence. Raises PostbackError bad-body.

    SECURITY: of a signed request, only the part that is signed is parsed: the body, or the query if there is no body.
    """
    parameters = _form_parameters(query)
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        return parameters
    if is_signed:
        parameters = Parameters()
    if kind == _FORM:
        return parameters.overlaid(_form_parameters(body.decode("latin-1").strip()))
    if kind in ("application/json", "text/json", "") or kind.endswith("+json") or body.lstrip()[:1] == b"{":
        return parameters.overlaid(_json_parameters(body))
    raise PostbackError(f"the body is {kind[:80]}; send application/json or {_FORM}", code=PostbackReason.BAD_BODY)


def _form_parameters(text: str) -> Parameters:
    pairs = text.split("&", PARAMETERS_MAX)[:PARAMETERS_MAX]
    return Parameters(item for pair in pairs for item in parse_query(pair).items())


def _json_parameters(body: bytes) -> Parameters:
    try:
        # Numbers stay text. As floats, two different long order ids could become the same.
        pairs = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_Pairs,
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise PostbackError(f"the body is not JSON: {reason}", code=PostbackReason.BAD_BODY) from error
    if not isinstance(pairs, _Pairs):
        raise PostbackError("the body must be a JSON object", code=PostbackReason.BAD_BODY)
    texts = ((_whole(name), _text(value)) for name, value in pairs[:PARAMETERS_MAX])
    return Parameters((name, text) for name, text in texts if text is not None)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in their order, including repeated names."""


def _text(value: object) -> str | None:
    """Return a JSON value as text, None for null. A nested value becomes junk, since no field can have one."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, JsonNumber):
        return _plain_number(value)
    if isinstance(value, str):
        return _whole(value)
    return NESTED


def _plain_number(text: JsonNumber) -> JsonNumber:
    """Return a number without exponent, unless that would be absurdly long, and a whole number without decimals."""
    number = Decimal(text)
    if text.lstrip("-").isdigit() or not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
        return text
    if number == number.to_integral_value():
        return JsonNumber(f"{number.to_integral_value():f}")
    return JsonNumber(f"{number:f}")


def _whole(text: str) -> str:
    """Return text without lone surrogates, which can neither be recorded nor stored."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
