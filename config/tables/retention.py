"""The tables that hold each class of data in partitions of a time, and SQL about their partitions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracking.privacy import RetentionClass

# Clicks have a partition a day, the others one a month.
PARTITIONED: Mapping[RetentionClass, str] = MappingProxyType(
    {
        RetentionClass.CLICKS: "clicks",
        RetentionClass.POSTBACKS: "postbacks",
        RetentionClass.DELIVERIES: "deliveries",
        RetentionClass.ATTEMPTS: "delivery_attempts",
        RetentionClass.NONCES: "postback_nonces",
        RetentionClass.JUDGEMENTS: "postback_judgements",
        RetentionClass.AUDIT: "audit_log",
    }
)
BY_MONTH = tuple(table for kind, table in PARTITIONED.items() if kind is not RetentionClass.CLICKS)
# It takes a table. A partition of before the table had months begins at null.
PARTITIONS = (
    "select partition_name, nullif(begins_at, '-infinity') as begins_at, ends_at, detaching from partitions_of(%s)"
    " order by ends_at"
)
# Clicks of before this moment are gone, unless they were stored late. Null while none were dropped.
CLICKS_DROPPED_BEFORE = (
    "select max(ends_at) as dropped_before from retention_drops where class = 'clicks' and dropped_at is not null"
)
