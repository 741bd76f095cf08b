"""Makes the months of what is kept by month, and drops or deletes what is older than its class is kept."""

from __future__ import annotations

from worker.retention.months import ensure_months, month_of
from worker.retention.task import drop_old, make_months

__all__ = ["drop_old", "ensure_months", "make_months", "month_of"]
