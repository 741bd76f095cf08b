"""The shipped proxy configurations, run for real in front of an edge."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tools import require_tool
from waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
NGINX_SITE = ROOT / "deploy" / "nginx" / "waypost.conf"
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"
# A port on which nobody listens: without an intake, a proxy gives postbacks to the edges.
NOBODY = 1
_NGINX_MAIN = """
worker_processes 1;
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx-error.log;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {home}/nginx-body;
    proxy_temp_path {home}/nginx-proxy;
    fastcgi_temp_path {home}/nginx-fastcgi;
    uwsgi_temp_path {home}/nginx-uwsgi;
    scgi_temp_path {home}/nginx-scgi;
    include {home}/waypost.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """A running proxy. Connect to `port`."""

    port: int
    home: Path
    process: subprocess.Popen[bytes]


def write_nginx(home: Path, edge_ports: list[int], port: int, intake_port: int = NOBODY) -> Path:
    """Write the shipped site with these ports, and a main configuration around it, into `home`."""
    servers = "".join(f"    server 127.0.0.1:{number} max_fails=0;\n" for number in edge_ports)
    backups = servers.replace(";", " backup;")
    site = NGINX_SITE.read_text()
    site, listens = re.subn(r"listen 80 ", f"listen 127.0.0.1:{port} ", site)
    edge = r"^    server 127\.0\.0\.1:808[02] max_fails=0"
    site, upstreams = re.subn(rf"({edge};\n)+", servers, site, flags=re.MULTILINE)
    site, substitutes = re.subn(rf"({edge} backup;\n)+", backups, site, flags=re.MULTILINE)
    site, intakes = re.subn(r"server 127\.0\.0\.1:8083 ", f"server 127.0.0.1:{intake_port} ", site)
    assert (listens, upstreams, substitutes, intakes) == (1, 1, 1, 1)
    (home / "waypost.conf").write_text(site)
    return write_nginx_main(home)


def write_nginx_main(home: Path) -> Path:
    """Write a main configuration around the site that is in `home`."""
    path = home / "nginx.conf"
    path.write_text(_NGINX_MAIN.format(home=home))
    return path


@contextmanager
def running_nginx(home: Path, *edge_ports: int, intake_port: int = NOBODY) -> Iterator[Front]:
    """Run nginx with the shipped site in front of edges."""
    program = require_tool("nginx-light", "nginx")
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    port = free_port()
    configuration = write_nginx(home, list(edge_ports), port, intake_port)
    with running([program, "-c", str(configuration), "-p", str(home)], home, port, "nginx") as front:
        yield front


@contextmanager
def running_caddy(home: Path, *edge_ports: int, intake_port: int = NOBODY) -> Iterator[Front]:
    """Run Caddy with the shipped file in front of edges, on plain HTTP and without an administration port."""
    program = require_tool("caddy", "caddy")
    home.mkdir(parents=True, exist_ok=True)
    port, tls_port = free_port(), free_port()
    edges = " ".join(f"127.0.0.1:{number}" for number in edge_ports)
    ports = f"\tadmin off\n\thttp_port {port}\n\thttps_port {tls_port}\n"
    path = home / "Caddyfile"
    path.write_text(CADDYFILE.read_text().replace("{\n", "{\n" + ports, 1))
    environ = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    environ |= {"WAYPOST_EDGES": edges, "WAYPOST_INTAKE": f"127.0.0.1:{intake_port} {edges}"}
    command = [program, "run", "--config", str(path), "--adapter", "caddyfile"]
    with running(command, home, port, "caddy", environ) as front:
        yield front


@contextmanager
def running(
    command: list[str], home: Path, port: int, name: str, environ: Mapping[str, str] | None = None
) -> Iterator[Front]:
    """Run a proxy until it is no longer needed. `environ` is added to this process's environment."""
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _answers(process, port, home / f"{name}.log"), 30, f"{name} to answer")
        yield Front(port, home, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/livez", timeout=5.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
