"""Every postback with its outcome and how to fix it, and requests for replays."""

from __future__ import annotations

from admin_api.postbacks.postback_objects import Postback, PostbackCorrection, PostbackRequest, show_postback
from admin_api.postbacks.replay_objects import Judgement, show_judgement
from admin_api.postbacks.replay_table import JUDGEMENT_COLUMNS
from admin_api.postbacks.routes import postback_routes

__all__ = [
    "JUDGEMENT_COLUMNS",
    "Judgement",
    "Postback",
    "PostbackCorrection",
    "PostbackRequest",
    "postback_routes",
    "show_judgement",
    "show_postback",
]
