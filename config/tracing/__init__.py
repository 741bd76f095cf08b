"""Traces of the admin and the workers by OpenTelemetry, where the operator wants them. Never imported by the edge."""

from __future__ import annotations

from config.tracing.spans import TracesError, request_span, span, start_tracing

__all__ = ["TracesError", "request_span", "span", "start_tracing"]
