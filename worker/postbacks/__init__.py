"""Stores postbacks, matches them to clicks, parks those that arrive before their click, and replays them."""

from __future__ import annotations

from worker.postbacks.parked import flag_overdue, match_clicks, sweep
from worker.postbacks.replay import resume_replays, run_replay
from worker.postbacks.task import store_batch

__all__ = ["flag_overdue", "match_clicks", "resume_replays", "run_replay", "store_batch", "sweep"]
