"""Settles stored clicks (duplicates, too many of an address, unique ones), and classes them anew by changed lists."""

from __future__ import annotations

from worker.traffic.checking import check_counts
from worker.traffic.classing import class_again, class_some
from worker.traffic.lists import load_lists
from worker.traffic.queue import note_batch
from worker.traffic.settling import settle, settle_clicks

__all__ = ["check_counts", "class_again", "class_some", "load_lists", "note_batch", "settle", "settle_clicks"]
