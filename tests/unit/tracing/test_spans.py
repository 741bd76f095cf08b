"""Traces are made only where they are wanted, and tell nothing that is secret."""

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from admin_api.tracing import ROUTE, TracedApp
from config.tracing import TracesError, request_span, span, start_tracing
from config.tracing.spans import stop_tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    assert start_tracing("http://127.0.0.1:1", "test", exporter)
    yield exporter
    stop_tracing()


def test_without_an_endpoint_nothing_is_traced_and_nothing_is_loaded() -> None:
    code = (
        "import sys; from config.tracing import span, start_tracing\n"
        "assert not start_tracing('', 'x')\n"
        "with span('a', {}) as made: made.set_attribute('b', 1); made.update_name('c')\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_span_has_its_name_and_attributes_and_notes_errors(exporter: InMemorySpanExporter) -> None:
    with suppress(ValueError), span("store", {"queue": "clicks"}) as made:
        made.set_attribute("records", 5)
        raise ValueError("no")
    (found,) = exporter.get_finished_spans()
    assert (found.name, dict(found.attributes or {})) == ("store", {"queue": "clicks", "records": 5})
    assert not found.status.is_ok


def test_a_request_belongs_to_the_trace_that_its_caller_names(exporter: InMemorySpanExporter) -> None:
    with request_span({"traceparent": PARENT}, {}):
        pass
    with request_span({"traceparent": "nonsense"}, {}):
        pass
    named, own = exporter.get_finished_spans()
    assert f"{named.context.trace_id:032x}" == PARENT.split("-")[1]
    assert own.parent is None


def test_a_request_is_named_after_its_route_without_what_is_in_it(exporter: InMemorySpanExporter) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ[ROUTE] = "/v1/links/{link_id}"
        start_response("404 Not Found", [])
        return [b"secret body"]

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/v1/links/12",
        "QUERY_STRING": "token=secret",
        "HTTP_AUTHORIZATION": "secret",
        "HTTP_COOKIE": "secret",
    }
    assert TracedApp(app)(environ, lambda *_: None) == [b"secret body"]  # type: ignore[arg-type, misc]
    (found,) = exporter.get_finished_spans()
    assert found.name == "GET /v1/links/{link_id}"
    assert dict(found.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/links/{link_id}",
        "http.response.status_code": 404,
    }
    assert "secret" not in found.to_json()


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(TracesError, match="pip install"):
        start_tracing("http://127.0.0.1:4318", "test")
