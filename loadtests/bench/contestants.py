"""The servers that are measured: how each is started on one core, and how it is known to answer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import urllib3

_START_DEADLINE_S = 20
_NGINX = """
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log {home}/access.log combined buffer=64k flush=1s;
  client_body_temp_path {home}/nginx-body; proxy_temp_path {home}/nginx-proxy; fastcgi_temp_path {home}/nginx-fcgi;
  uwsgi_temp_path {home}/nginx-uwsgi; scgi_temp_path {home}/nginx-scgi;
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; location / {{ return 302 https://m.example/; }} }}
}}
"""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def nginx(core: int, home: Path) -> Iterator[int]:
    """Run nginx answering `return 302` with a buffered access log; yield its port."""
    port = free_port()
    configuration = home / "nginx.conf"
    configuration.write_text(_NGINX.format(home=home, port=port))
    with _running(["nginx", "-c", str(configuration), "-p", str(home)], core, port, {}, home):
        yield port


@contextmanager
def edge(server: str, core: int, home: Path, environ: Mapping[str, str]) -> Iterator[int]:
    """Run one edge process under `server` with the given environment; yield its port."""
    port = free_port()
    settings = {**environ, "EDGE_SERVER": server, "EDGE_PORT": str(port), "EDGE_WORKERS": "1", "LOG_LEVEL": "warning"}
    with _running([sys.executable, "-m", "edge"], core, port, settings, home):
        yield port


@contextmanager
def _running(command: list[str], core: int, port: int, environ: Mapping[str, str], home: Path) -> Iterator[None]:
    taskset = shutil.which("taskset")
    pinned = [taskset, "-c", str(core), *command] if taskset else command
    with (home / f"{Path(command[-1]).name}-{port}.log").open("wb") as log:
        process = subprocess.Popen(pinned, env=dict(environ) or None, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(port, process, Path(log.name))
            yield
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + _START_DEADLINE_S
    pool = urllib3.PoolManager(retries=False)
    while process.poll() is None and monotonic() < deadline:
        try:
            pool.request("GET", f"http://127.0.0.1:{port}/livez", timeout=1, redirect=False)
        except urllib3.exceptions.HTTPError:
            sleep(0.05)
            continue
        return
    raise RuntimeError(f"the server did not answer; its output is:\n{log.read_text()[-2000:]}")
