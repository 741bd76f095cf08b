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
from typing import NamedTuple

import urllib3

from config.settings import inherited_environment

SERVER_CORE = 0
_START_DEADLINE_S = 20
# Measured beside the others where it is installed, but not offered: it answers 400 to a raw byte beyond ASCII.
FASTPYSGI = "fastpysgi"
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
_FASTPYSGI = """
import fastpysgi
from edge.wsgi import app
fastpysgi.server.init(lambda environ, start: app(environ, start), "127.0.0.1", {port}, loglevel=2)
fastpysgi.server.run()
"""


class Contestant(NamedTuple):
    """A server that answers: where, the process that was started, and how long it took to the first answer."""

    port: int
    pid: int
    start_s: float

    def resident(self) -> tuple[int, int]:
        """Return the bytes resident of the process that answers, and those of them that are its own, not files."""
        pid = self.pid
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[-1])
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        return sizes["VmRSS"], sizes["RssAnon"]


@contextmanager
def running(name: str, home: Path) -> Iterator[Contestant]:
    """Run nginx answering `return 302` with a buffered access log, or one edge process under a server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environ = {**inherited_environment(), "WAYPOST_HOME": str(home), "REDIS_URL": "redis://127.0.0.1:1/0"}
    environ |= {"EDGE_PORT": str(port), "EDGE_WORKERS": "1", "LOG_LEVEL": "warning"}
    if name == "nginx":
        configuration = home / "nginx.conf"
        configuration.write_text(_NGINX.format(home=home, port=port))
        command = ["nginx", "-c", str(configuration), "-p", str(home)]
    elif name == FASTPYSGI:
        command = [sys.executable, "-c", _FASTPYSGI.format(port=port)]
    else:
        command = [sys.executable, "-m", "edge"]
        environ["EDGE_SERVER"] = name
    with _process(command, port, environ, home / f"{name}.log") as contestant:
        yield contestant


@contextmanager
def _process(command: list[str], port: int, environ: Mapping[str, str], log_path: Path) -> Iterator[Contestant]:
    taskset = shutil.which("taskset")
    pinned = [taskset, "-c", str(SERVER_CORE), *command] if taskset else command
    with log_path.open("wb") as log:
        began = monotonic()
        process = subprocess.Popen(pinned, env=dict(environ), stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(port, process, log_path)
            yield Contestant(port, process.pid, monotonic() - began)
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
            sleep(0.01)
            continue
        return
    raise RuntimeError(f"the server did not answer; its output is:\n{log.read_text()[-2000:]}")
