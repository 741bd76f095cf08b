"""The settings of retention. The maintenance worker drops what is older, and the admin API shows it."""

from __future__ import annotations

from collections.abc import Mapping

from config.settings.environment import EnvironmentReader
from config.settings.errors import SettingError
from tracking.privacy import RETENTION_DAYS_MAX, RETENTION_RULES, RetentionClass

# Days by class; 0 means for ever.
RetentionDays = Mapping[RetentionClass, int]


def default_retention() -> RetentionDays:
    """Return for how many days each class is kept where no setting says otherwise."""
    return {kind: rule.days for kind, rule in RETENTION_RULES.items()}


def retention_days(read: EnvironmentReader) -> RetentionDays:
    """Return for how many days each class of data is kept, or raise SettingError."""
    days = {}
    for kind, rule in RETENTION_RULES.items():
        name = f"RETENTION_{kind.upper()}_DAYS"
        days[kind] = read.number(name, 0, RETENTION_DAYS_MAX)
        if 0 < days[kind] < rule.fewest_days:
            raise SettingError(
                f"{name} must be 0 (for ever) or at least {rule.fewest_days}, not {days[kind]}", field=name
            )
    return days
