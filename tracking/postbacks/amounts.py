"""Parses amounts as merchants write them: `25`, `25,00`, `1.234,56`, `$25`, `€ 25`.

An amount that can mean two things is refused, and the message names both. Three digits after a lone dot or comma may be
thousands or decimals, unless the account has said which of the two is its decimal separator.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from tracking.money import AMOUNT_MINOR_MAX, is_currency, minor_digits
from tracking.runtime import FieldError

_DOLLARS = frozenset(
    re.findall(
        "[A-Z]{3}",
        "ARS AUD BBD BMD BND BSD BZD CAD CLP COP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU"
        " XCD",
    )
)
# Source: the currency symbols of Unicode CLDR. A sign that several currencies share means any of them.
_SIGNS: dict[str, frozenset[str]] = {
    "US$": frozenset({"USD"}),
    "A$": frozenset({"AUD"}),
    "C$": frozenset({"CAD", "NIO"}),
    "R$": frozenset({"BRL"}),
    "$": _DOLLARS,
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP", "GIP", "FKP", "SHP", "EGP", "SDG", "SYP", "LBP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "₽": frozenset({"RUB"}),
    "₹": frozenset({"INR"}),
    "₩": frozenset({"KRW", "KPW"}),
    "₺": frozenset({"TRY"}),
    "₴": frozenset({"UAH"}),
    "₪": frozenset({"ILS"}),
    "₫": frozenset({"VND"}),
    "₱": frozenset({"PHP"}),
    "₦": frozenset({"NGN"}),
    "₸": frozenset({"KZT"}),
    "฿": frozenset({"THB"}),
    "zł": frozenset({"PLN"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "Kč": frozenset({"CZK"}),
    "Ft": frozenset({"HUF"}),
}
_SIGN = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True)) + "|[A-Za-z]{3}"
_SPACES = "\u00a0\u202f\u2009 "
_AMOUNT = re.compile(
    f"(?P<minus>[-\u2212]?)[{_SPACES}]*(?:(?P<before>{_SIGN})[{_SPACES}]*)?(?P<minus2>[-\u2212]?)"
    f"(?P<number>[0-9.,'\u2019{_SPACES}]*[0-9][0-9.,'\u2019{_SPACES}]*?)[{_SPACES}]*(?P<after>{_SIGN})?"
)
_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")
_GROUPED = re.compile(rf"[1-9][0-9]{{0,2}}(?:([.,'\u2019{_SPACES}])[0-9]{{3}})(?:\1[0-9]{{3}})*")
_THOUSANDS_OR_DECIMALS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_TEXT_CHARACTERS_MAX = 40


class WrittenAmount(NamedTuple):
    """An amount in minor units of `currency`. `is_plain`: it was written with digits and a decimal point alone."""

    amount_minor: int
    currency: str
    is_plain: bool


class JsonNumber(str):
    """A number as it is written in JSON: a dot in it is the decimal point, whatever the account's separator is."""

    __slots__ = ()


def parse_written_amount(
    text: str, currency: str, *, is_stated: bool = True, decimal_separator: str | None = None, field: str = "payout"
) -> WrittenAmount:
    """Return the amount that `text` states, or raise FieldError with the reason.

    `currency` is the postback's own if `is_stated`, else the account's, and then a code in the text takes its place.
    `decimal_separator` is "." or "," if the account has set it.
    """
    match = _AMOUNT.fullmatch(text.strip()) if len(text) <= _TEXT_CHARACTERS_MAX else None
    if match is None or (match["before"] and match["after"]):
        raise FieldError(field, f"{field} must be an amount such as 25.00, not {text[:_TEXT_CHARACTERS_MAX]!r}")
    currency = _agreed_currency(match["before"] or match["after"], currency, is_stated, field)
    if match["minus"] or match["minus2"]:
        raise FieldError(field, f"{field} must not be negative; report a chargeback with status=reversed")
    separator = "." if isinstance(text, JsonNumber) else decimal_separator
    number = _decimal(match["number"].strip(_SPACES), currency, separator, field)
    minor = number.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise FieldError(field, f"{field} has more decimals than {currency} has ({minor_digits(currency)})")
    if minor > AMOUNT_MINOR_MAX:
        raise FieldError(field, f"{field} is larger than any amount Waypost keeps")
    return WrittenAmount(int(minor), currency, _PLAIN.fullmatch(text.strip()) is not None)


def _decimal(number: str, currency: str, separator: str | None, field: str) -> Decimal:
    """Return the value of digits and separators, or raise FieldError if they can mean two values."""
    if separator is not None:
        return _with_separator(number, separator, field)
    last_dot, last_comma = number.rfind("."), number.rfind(",")
    if last_dot != -1 and last_comma != -1:
        return _with_separator(number, "." if last_dot > last_comma else ",", field)
    # In a currency of three decimals, 1.234 has a decimal point.
    if _THOUSANDS_OR_DECIMALS.fullmatch(number) and not ("." in number and minor_digits(currency) == 3):
        whole, decimals = re.split("[.,]", number)
        raise FieldError(
            field,
            f"{field} {number!r} has two readings, {whole}{decimals} and {whole}.{decimals}; write {whole}{decimals}.00"
            f" or {whole}.{decimals[:2]}, or set the account's decimal_separator",
        )
    if number.count(".") > 1 or number.count(",") > 1:
        return _with_separator(number, "," if "." in number else ".", field)
    return _with_separator(number, "," if "," in number else ".", field)


def _with_separator(number: str, separator: str, field: str) -> Decimal:
    """Return the value of a number with this decimal separator. The digits before it may be in groups of three."""
    whole, _, decimals = number.partition(separator)
    digits = whole
    if _GROUPED.fullmatch(whole) and separator not in whole:
        digits = re.sub("[^0-9]", "", whole)
    if not re.fullmatch("[0-9]*", digits) or not re.fullmatch("[0-9]*", decimals) or not (digits or decimals):
        raise FieldError(field, f"{field} must be an amount such as 1234.56, not {number!r}")
    return Decimal(f"{digits or '0'}.{decimals or '0'}")


def _agreed_currency(sign: str | None, currency: str, is_stated: bool, field: str) -> str:
    if sign is None:
        return currency
    code = sign.upper()
    if currency == code or currency in _SIGNS.get(sign, ()):
        return currency
    if sign not in _SIGNS and not is_currency(code):
        raise FieldError(field, f"{field} is written with {sign}, which is no currency; send the number alone")
    if not is_stated and is_currency(code):
        return code
    whose = "currency is" if is_stated else "no currency is sent and the account's is"
    raise FieldError(field, f"{field} is written with {sign} but {whose} {currency}; send the currency that is meant")
