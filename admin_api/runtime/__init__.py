"""Connections, who makes a change, metrics, and the outbox, to which every change of the configuration is written."""

from __future__ import annotations

from admin_api.runtime.acting import (
    ADMIN_ROLE,
    PARTNER_ROLE,
    Actor,
    act_for,
    act_for_nobody,
    acting_for,
    acting_for_nobody,
    standing,
)
from admin_api.runtime.attribution import attributed
from admin_api.runtime.connections import Database, Row, UnreachableError, connect_database, connect_redis
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
from admin_api.runtime.pool import Pool, open_pool

__all__ = [
    "ADMIN_ROLE",
    "CHANNEL",
    "LEDGER_FIGURES",
    "PARTNER_ROLE",
    "Actor",
    "Database",
    "Measurements",
    "Pool",
    "Row",
    "UnreachableError",
    "act_for",
    "act_for_nobody",
    "acting_for",
    "acting_for_nobody",
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
    "standing",
]
