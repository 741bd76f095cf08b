"""How edge and intake are started: each with its own port, and the intake only where there is to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import SettingError, edge_settings
from edge.__main__ import command, intake_command


def environ(tmp_path: Path, **overrides: str) -> dict[str, str]:
    return {"WAYPOST_HOME": str(tmp_path), "EDGE_PORT": "1080", "INTAKE_PORT": "1083"} | overrides


def test_edge_and_intake_have_ports_and_processes_of_their_own(tmp_path: Path) -> None:
    settings = edge_settings(environ(tmp_path, EDGE_WORKERS="3", INTAKE_WORKERS="2"))
    edge, intake = " ".join(command("granian", settings)), " ".join(intake_command(settings))
    assert "--port 1080 --workers 3" in edge
    assert "--port 1083 --workers 2" in intake


def test_the_edge_under_granian_does_one_thing_at_a_time_and_the_intake_does_not(tmp_path: Path) -> None:
    settings = edge_settings(environ(tmp_path))
    assert "--blocking-threads 1" in " ".join(command("granian", settings))
    assert intake_command(settings)[-1] == "edge.asgi:app"


def test_an_intake_without_a_port_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="INTAKE_PORT is 0"):
        intake_command(edge_settings(environ(tmp_path, INTAKE_PORT="0")))


def test_granian_takes_no_more_headers_than_fit_into_a_record(tmp_path: Path) -> None:
    settings = edge_settings(environ(tmp_path))
    for arguments in (command("granian", settings), intake_command(settings)):
        assert "--http1-buffer-size 65536" in " ".join(arguments)
