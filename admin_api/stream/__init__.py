"""The live stream: what is stored, sent to viewers as server-sent events by a process of its own."""

from __future__ import annotations

from admin_api.stream.application import Cuttable, StreamParts, create_stream_app

__all__ = ["Cuttable", "StreamParts", "create_stream_app"]
