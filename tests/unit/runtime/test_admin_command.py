"""How the admin API and the live stream are started."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_api.__main__ import command
from config.settings import AdminSettings, SettingError, admin_settings


def settings(home: Path, **overrides: str) -> AdminSettings:
    return admin_settings({"WAYPOST_HOME": str(home), "ADMIN_PORT": "1081", "STREAM_PORT": "1084"} | overrides)


def test_the_stream_has_a_port_and_one_process_of_its_own(home: Path) -> None:
    admin, stream = command(settings(home), None), command(settings(home), "stream")
    assert admin[-1] == "admin_api.wsgi:app"
    assert "--port 1084 --workers 1" in " ".join(stream)
    assert stream[-1] == "admin_api.stream_server:app"


def test_a_stream_without_a_port_says_so(home: Path) -> None:
    with pytest.raises(SettingError, match="STREAM_PORT is 0"):
        command(settings(home, STREAM_PORT="0"), "stream")


@pytest.mark.parametrize("text", ["localhost:4318", "ftp://x", "http://", "http://a b"])
def test_an_endpoint_of_traces_that_is_no_url_is_named(home: Path, text: str) -> None:
    with pytest.raises(SettingError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        settings(home, OTEL_EXPORTER_OTLP_ENDPOINT=text)


def test_an_endpoint_of_traces_needs_no_slash(home: Path) -> None:
    assert settings(home, OTEL_EXPORTER_OTLP_ENDPOINT="http://c:4318/").traces_endpoint == "http://c:4318"
