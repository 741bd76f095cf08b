"""Money: integer minor units and an ISO 4217 code. Reads and writes decimal text without ever passing through a
float.
"""

from __future__ import annotations

import re
from decimal import Decimal

from tracking.runtime import FieldError

AMOUNT_MINOR_MAX = 10**15
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Source: ISO 4217:2015 table A.1; every code not named here has two decimals.
_EXPONENTS = dict.fromkeys(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ],
    0,
) | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)


def parse_currency(text: str, field: str = "currency") -> str:
    """Return a three-letter code in capitals, or raise FieldError."""
    code = text.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise FieldError(field, f"{field} must be a three-letter ISO 4217 code such as USD, not {text[:20]!r}")
    return code


def minor_digits(currency: str) -> int:
    """Return how many decimals the currency has: 2 for USD, 0 for JPY, 3 for BHD."""
    return _EXPONENTS.get(currency, 2)


def parse_amount(text: str, currency: str, field: str = "payout") -> int:
    """Return `text` in minor units of `currency`, or raise FieldError. Accepts 25, 25.5, 25.00; refuses to round."""
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
