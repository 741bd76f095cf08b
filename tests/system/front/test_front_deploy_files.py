"""The files of deploy/ are understood by the programs they are for, and name only what exists."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings.options import OPTIONS
from front_proxy import CADDYFILE, write_nginx
from tools import require_tool
from waiting import free_port

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted([*(DEPLOY / "systemd").glob("*.service"), *(DEPLOY / "systemd").glob("*.socket")])
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
_NAMES = ("POSTGRES_PASSWORD", "VALKEY_PASSWORD", "CLICK_ID_KEYS", "CONTROL_ADDRESS", "EDGE_NODE_ID", "ACME_EMAIL")
# Of compose and Caddy, not of ours.
_FOREIGN = {"ACME_EMAIL", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "WAYPOST_ASK"}


def run(*command: str, **environ: str) -> str:
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_nginx_accepts_its_configuration_without_a_warning(tmp_path: Path) -> None:
    program = require_tool("nginx-light", "nginx")
    output = run(program, "-t", "-p", str(tmp_path), "-c", str(write_nginx(tmp_path, [8080, 8082], free_port())))
    assert "[warn]" not in output
    assert "test is successful" in output


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    program = require_tool("caddy", "caddy")
    command = [program, "validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    assert "Valid configuration" in run(*command, HOME=str(tmp_path))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    program = require_tool("systemd", "systemd-analyze")
    for source in UNITS:
        # The paths of an installation are not here: this Python stands for the one there.
        text = source.read_text().replace("/opt/waypost/.venv/bin/python", sys.executable)
        (tmp_path / source.name).write_text(text.replace("WorkingDirectory=/opt/waypost", f"WorkingDirectory={ROOT}"))
    instance = {
        "waypost-edge@.service": "waypost-edge@8080.service",
        "waypost-worker@.service": "waypost-worker@clicks.service",
    }
    output = run(
        program, "verify", str(tmp_path / instance.get(unit.name, unit.name)), SYSTEMD_UNIT_PATH=f"{tmp_path}:"
    )
    assert "waypost" not in output


@pytest.mark.parametrize("file", COMPOSE, ids=lambda path: path.name)
def test_compose_accepts_a_file(file: Path) -> None:
    program = require_tool("docker-compose", "docker-compose")
    output = run(program, "-f", str(file), "config", **dict.fromkeys(_NAMES, "x"))
    assert "services:" in output


def test_every_program_that_is_started_exists() -> None:
    texts = [path.read_text() for path in UNITS] + [path.read_text() for path in COMPOSE]
    modules = {name for text in texts for name in re.findall(r"-m\"?,? \"?([a-z_.]+)", text)}
    assert modules == {"edge", "edge.agent", "worker", "admin_api", "admin_api.migrate"}
    assert all(importlib.util.find_spec(name) for name in modules)


def test_every_setting_that_is_given_exists() -> None:
    texts = [path.read_text() for path in (*UNITS, *COMPOSE, DEPLOY / "systemd" / "waypost.env.example")]
    given = {name for text in texts for name in re.findall(r"(?m)^\s*#?([A-Z][A-Z_]+)[=:]", text)}
    given |= {name for text in texts for name in re.findall(r"[ {=]([A-Z][A-Z_]+)=\S", text) if name != "SIGHUP"}
    assert sorted(given - set(OPTIONS) - _FOREIGN - {"PYTHONUNBUFFERED"}) == []


def test_an_edge_host_is_never_given_the_database() -> None:
    texts = [(DEPLOY / "compose" / "edge.yaml").read_text(), (DEPLOY / "systemd" / "waypost-edge@.service").read_text()]
    assert all("DATABASE_URL" not in text for text in texts)
