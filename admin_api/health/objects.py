"""What GET /v1/health shows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from admin_api.http import Shown


class HealthState(StrEnum):
    """How a part is, from good to bad. `unknown` is neither: what would say it does not answer."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"


class HealthPart(StrEnum):
    """What is looked at. Each member is a row of docs/operations.md."""

    DATABASE = "database"
    REDIS = "redis"
    SCHEMA = "schema"
    LAG = "lag"
    BACKLOG = "backlog"
    LOSS_METER = "loss-meter"
    QUEUES = "queues"
    HOSTS = "hosts"
    SPOOLS = "spools"
    SPOOL_DISKS = "spool-disks"
    CLOCKS = "clocks"
    MIRRORS = "mirrors"
    PUBLISHING = "publishing"
    PARTITIONS = "partitions"
    DATABASE_SIZE = "database-size"
    REPORTS = "reports"
    DELIVERIES = "deliveries"
    CERTIFICATES = "certificates"


class Part(Shown):
    """One part of the installation."""

    part: HealthPart
    state: HealthState
    summary: str
    """One sentence about how it is."""
    to_do: str | None
    """What to do about it; null if there is nothing to do."""
    figures: dict[str, Any]
    """What the sentence is made of: counts, seconds, bytes; per host, queue or domain where there are several."""


class Health(Shown):
    """The state of the installation: that of its worst part."""

    state: HealthState
    as_of: datetime
    parts: list[Part]
