"""The error of a setting that cannot be used."""

from __future__ import annotations

from tracking.runtime import WaypostError


class SettingError(WaypostError):
    """A setting that cannot be used; the message names the variable and the fix."""

    code = "bad-setting"
