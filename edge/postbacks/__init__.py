"""Postbacks are received, authenticated, recorded and answered."""

from __future__ import annotations

from edge.postbacks.accounts import Accounts
from edge.postbacks.duplicate_markers import DuplicateMarkers
from edge.postbacks.intake import ThreadedApp
from edge.postbacks.nonce_memory import Nonces
from edge.postbacks.rate_limits import RateLimits
from edge.postbacks.reader import PostbackReader, ReaderSettings
from edge.postbacks.resource import JsonPostbackResource, PostbackIntake, TokenPostbackResource

__all__ = [
    "Accounts",
    "DuplicateMarkers",
    "JsonPostbackResource",
    "Nonces",
    "PostbackIntake",
    "PostbackReader",
    "RateLimits",
    "ReaderSettings",
    "ThreadedApp",
    "TokenPostbackResource",
]
