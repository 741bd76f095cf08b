"""Money is an integer of minor units and an ISO 4217 code. Decimal text is parsed and formatted without any float."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from tracking.runtime import FieldError

AMOUNT_MINOR_MAX = 10**15
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_CODE = re.compile(r"[A-Za-z]{3}")
# The minor digits of a currency that was withdrawn after its amounts were stored.
_USUAL_DIGITS = 2


def parse_currency(text: str, field: str = "currency") -> str:
    """Return a currency's code in capitals, or raise FieldError that names the code.

    Withdrawn currencies, and codes without minor units (precious metals, units of account, tests), are refused.
    """
    code = text.strip()
    if not _CODE.fullmatch(code):
        raise FieldError(field, f"{field} must be a three-letter ISO 4217 code such as USD, not {text[:20]!r}")
    if not is_currency(code.upper()):
        raise FieldError(
            field, f"{field} {code.upper()} is not a currency of ISO 4217 in use; send the code of one, such as USD"
        )
    return code.upper()


def is_currency(code: str) -> bool:
    """Whether ISO 4217 lists the code as in use, and with minor units."""
    return code in _minor_digits()


def currency_codes() -> list[str]:
    """Return the code of every currency in use, in alphabetical order."""
    return sorted(_minor_digits())


def minor_digits(currency: str) -> int:
    """Return how many decimals the currency has: 2 for USD, 0 for JPY, 3 for BHD."""
    return _minor_digits().get(currency, _USUAL_DIGITS)


def parse_amount(text: str, currency: str, field: str = "payout") -> int:
    """Return `text` in minor units of `currency`, or raise FieldError. It takes 25, 25.5 and 25.00, and never
    rounds.
    """
    trimmed = text.strip()
    if not _AMOUNT.fullmatch(trimmed):
        raise FieldError(field, f"{field} must be a plain decimal number such as 25.00, not {text[:40]!r}")
    minor = Decimal(trimmed).scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise FieldError(field, f"{field} has more decimals than {currency} has ({minor_digits(currency)})")
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise FieldError(field, f"{field} is larger than any amount Waypost keeps")
    if minor < 0:
        raise FieldError(field, f"{field} must not be negative; report a chargeback with status=reversed")
    return int(minor)


def format_amount(amount_minor: int, currency: str) -> str:
    """Return minor units as decimal text with the currency's own number of decimals: 2500 USD is `25.00`."""
    digits = minor_digits(currency)
    return str(Decimal(amount_minor).scaleb(-digits).quantize(Decimal(1).scaleb(-digits)))


# PERF: the list is an XML file, which takes 25 ms and 1.2 MB. An edge process that answers only clicks never reads it.
@lru_cache(1)
def _minor_digits() -> Mapping[str, int]:
    """Return the minor digits of every currency in use. Source: list one of ISO 4217, from the package iso4217."""
    from iso4217 import raw_table

    digits = {code: str(entry["CcyMnrUnts"]) for code, entry in raw_table.items() if code}
    return {code: int(text) for code, text in digits.items() if text.isdigit()}
