"""Click and postback records as the spool holds them, the names of spools, and the numbers of their records. Pure."""

from __future__ import annotations

from tracking.spool.addresses import Batch, Progress, Range, decode_progress, encode_progress, spool_id, stream_of
from tracking.spool.records import (
    CLICK_RECORD_VERSION,
    Click,
    Postback,
    RecordError,
    as_text,
    decode_click,
    decode_postback,
    encode_click,
    encode_postback,
)

__all__ = [
    "CLICK_RECORD_VERSION",
    "Batch",
    "Click",
    "Postback",
    "Progress",
    "Range",
    "RecordError",
    "as_text",
    "decode_click",
    "decode_postback",
    "decode_progress",
    "encode_click",
    "encode_postback",
    "encode_progress",
    "spool_id",
    "stream_of",
]
