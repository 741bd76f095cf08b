"""What is kept of visitors and for how long: classes of data, stored addresses, and whom an erasure is about; pure."""

from __future__ import annotations

from tracking.privacy.classes import RETENTION_DAYS_MAX, RETENTION_RULES, RETENTION_WORDS, RetentionClass

__all__ = ["RETENTION_DAYS_MAX", "RETENTION_RULES", "RETENTION_WORDS", "RetentionClass"]
