"""What is kept of visitors and for how long: classes of data, stored addresses, and whom an erasure is about; pure."""

from __future__ import annotations

from tracking.privacy.addresses import AddressStorage, stored_address, without_address
from tracking.privacy.classes import RETENTION_DAYS_MAX, RETENTION_RULES, RETENTION_WORDS, RetentionClass
from tracking.privacy.subjects import TOMBSTONE_DAYS, SubjectKind, subject_hash

__all__ = [
    "RETENTION_DAYS_MAX",
    "RETENTION_RULES",
    "RETENTION_WORDS",
    "TOMBSTONE_DAYS",
    "AddressStorage",
    "RetentionClass",
    "SubjectKind",
    "stored_address",
    "subject_hash",
    "without_address",
]
