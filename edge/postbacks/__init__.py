"""Receives postbacks: authenticates, reads, records and answers them."""

from __future__ import annotations

from edge.postbacks.accounts import Accounts
from edge.postbacks.duplicate_markers import DuplicateMarkers
from edge.postbacks.intake import ThreadedApp
from edge.postbacks.nonce_store import NonceStore
from edge.postbacks.rate_limits import RateLimits
from edge.postbacks.reader import PostbackReader, ReaderSettings
from edge.postbacks.resource import JsonPostbackResource, PostbackResponder, TokenPostbackResource

__all__ = [
    "Accounts",
    "DuplicateMarkers",
    "JsonPostbackResource",
    "NonceStore",
    "PostbackReader",
    "PostbackResponder",
    "RateLimits",
    "ReaderSettings",
    "ThreadedApp",
    "TokenPostbackResource",
]
