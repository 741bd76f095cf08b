"""The settings of reports: the zone of their days, their currency, and what is kept for them."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.settings.environment import EnvironmentReader
from config.settings.errors import SettingError
from tracking.money import is_currency


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """How reports are kept and asked. `values_max`: a day with more keys of a group that visitors choose is not kept
    in it. `timeout_s` is the longest time of one question.
    """

    time_zone: str = "UTC"
    currency: str = "USD"
    cost_currency: str = "USD"
    hours_days: int = 31
    values_max: int = 20_000
    timeout_s: float = 20.0


def report_settings(read: EnvironmentReader) -> ReportSettings:
    """Return the settings, or raise SettingError."""
    currency = _currency(read, "REPORT_CURRENCY")
    return ReportSettings(
        time_zone=_zone(read),
        currency=currency,
        cost_currency=_currency(read, "COST_CURRENCY") if read.text("COST_CURRENCY") else currency,
        hours_days=read.number("REPORT_HOURS_DAYS", 1, 3660),
        values_max=read.number("REPORT_VALUES_MAX", 100, 10_000_000),
        timeout_s=read.number("REPORT_TIMEOUT_S", 1, 3600),
    )


def _zone(read: EnvironmentReader) -> str:
    name = read.text("REPORT_TIME_ZONE")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingError(
            f"REPORT_TIME_ZONE must be a time zone such as Europe/Vienna, not {name!r}", field="REPORT_TIME_ZONE"
        ) from error
    return name


def _currency(read: EnvironmentReader, name: str) -> str:
    code = read.text(name).upper()
    if not is_currency(code):
        raise SettingError(f"{name} must be the code of a currency such as EUR, not {code!r}", field=name)
    return code
