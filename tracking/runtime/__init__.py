"""The base class of all errors, the names of queues and tasks, and webhook signatures. Pure."""

from __future__ import annotations

from tracking.runtime.errors import FieldError, WaypostError
from tracking.runtime.queues import (
    BATCH_RECORDS_MAX,
    POSTBACK_BATCH_RECORDS_MAX,
    REPLAY_JOB_OPTIONS,
    STREAM_QUEUES,
    JobSerializer,
    QueueName,
    Task,
)
from tracking.runtime.webhook_signature import (
    SECRET_BYTES,
    decode_secret,
    encode_secret,
    signature_digests,
    signature_headers,
)

__all__ = [
    "BATCH_RECORDS_MAX",
    "POSTBACK_BATCH_RECORDS_MAX",
    "REPLAY_JOB_OPTIONS",
    "SECRET_BYTES",
    "STREAM_QUEUES",
    "FieldError",
    "JobSerializer",
    "QueueName",
    "Task",
    "WaypostError",
    "decode_secret",
    "encode_secret",
    "signature_digests",
    "signature_headers",
]
