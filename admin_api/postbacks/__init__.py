"""Every postback with its outcome and its remedy, and asking for replays."""

from __future__ import annotations

from admin_api.postbacks.postbacks import COLUMNS, Postbacks, present_postback
from admin_api.postbacks.replay import (
    ManyReplays,
    PostbackReplay,
    ReplayItem,
    ReplayJudgements,
    ReplayRequests,
    Replays,
)

__all__ = [
    "COLUMNS",
    "ManyReplays",
    "PostbackReplay",
    "Postbacks",
    "ReplayItem",
    "ReplayJudgements",
    "ReplayRequests",
    "Replays",
    "present_postback",
]
