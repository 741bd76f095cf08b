"""Makes spans of what a process does, and sends them in the background. Off, a span is nothing at all.

OpenTelemetry's packages are loaded only when tracing is started: they are not among what Waypost needs. While the
collector is away, spans are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tracking.runtime import WaypostError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

# Repeated attempts included: a worker that stops while the collector is away waits for no longer.
SEND_S = 3
Value = str | int | float | bool
_tracer: Tracer | None = None


class TracesError(WaypostError):
    """Tracing is wanted and cannot be done."""

    code = "no-traces"


class Span(Protocol):
    """What may be said of a span while it lasts."""

    def set_attribute(self, key: str, value: Value) -> object:
        """Note something."""

    def update_name(self, name: str) -> object:
        """Call it something else."""


class _Nothing:
    """The span of a process without tracing."""

    def set_attribute(self, key: str, value: Value) -> None:
        pass

    def update_name(self, name: str) -> None:
        pass


_NOTHING = _Nothing()


def start_tracing(endpoint: str, service: str, exporter: SpanExporter | None = None) -> bool:
    """Send spans to an OTLP collector from now on, unless the endpoint is empty; return whether that is so.

    Raises TracesError if OpenTelemetry is not installed. An exporter of the caller's is used instead of OTLP.
    """
    global _tracer
    if not endpoint:
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    except ImportError as error:
        raise TracesError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed; run `pip install 'waypost[otel]'`"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if exporter is None:
        sending = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=SEND_S)
        provider.add_span_processor(BatchSpanProcessor(sending))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracer = provider.get_tracer("waypost")
    return True


def stop_tracing() -> None:
    """Make no spans any more."""
    global _tracer
    _tracer = None


@contextmanager
def span(name: str, attributes: Mapping[str, Value]) -> Iterator[Span]:
    """Make a span of the block. An exception that leaves it is noted."""
    if _tracer is None:
        yield _NOTHING
        return
    with _tracer.start_as_current_span(name, attributes=attributes) as made:
        yield made


@contextmanager
def request_span(headers: Mapping[str, str], attributes: Mapping[str, Value]) -> Iterator[Span]:
    """Make a span of a request; `headers` may say, as `traceparent`, whose trace it is part of."""
    if _tracer is None:
        yield _NOTHING
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(dict(headers))
    with _tracer.start_as_current_span("request", context, SpanKind.SERVER, attributes) as made:
        yield made
