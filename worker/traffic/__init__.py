"""Settles stored clicks in the background: duplicates, too many of an address, and which are unique."""

from __future__ import annotations

from worker.traffic.lists import load_lists
from worker.traffic.queue import note_batch
from worker.traffic.settling import settle, settle_clicks

__all__ = ["load_lists", "note_batch", "settle", "settle_clicks"]
