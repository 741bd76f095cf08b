"""Connections, who makes a change, metrics, and the outbox, to which every change of the configuration is written."""

from __future__ import annotations

from admin_api.runtime.attribution import Actor, attributed
from admin_api.runtime.connections import Database, Pool, Row, connect_database, connect_redis, open_pool
from admin_api.runtime.measurements import LEDGER_FIGURES, Measurements
from admin_api.runtime.outbox import (
    CHANNEL,
    claim_versions,
    expand_sources,
    load_outbox_length,
    load_pending,
    load_publication,
    save_bulk_change,
    save_change,
    save_epoch,
    save_published,
)

__all__ = [
    "CHANNEL",
    "LEDGER_FIGURES",
    "Actor",
    "Database",
    "Measurements",
    "Pool",
    "Row",
    "attributed",
    "claim_versions",
    "connect_database",
    "connect_redis",
    "expand_sources",
    "load_outbox_length",
    "load_pending",
    "load_publication",
    "open_pool",
    "save_bulk_change",
    "save_change",
    "save_epoch",
    "save_published",
]
