"""Keeps this host's mirror equal to the published configuration."""

from __future__ import annotations

from edge.configuration.follower import Follower

__all__ = ["Follower"]
