"""Starts the edge: replaces itself with the WSGI server that EDGE_SERVER names. `auto` is meinheld where it is
installed, else granian. `python -m edge intake` starts the same application once more for postbacks, on INTAKE_PORT, in
threads.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from config.settings import EdgeSettings, SettingError, edge_settings

_GUNICORN_CONFIG = Path(__file__).resolve().parent.parent / "config" / "gunicorn_edge.py"
_APP = "edge.wsgi:app"
_INTAKE_APP = "edge.asgi:app"
# SECURITY: a request with longer headers is answered 431. All that is recorded of a click must fit into one record of
# the spool. granian's default is 400 kB; the other servers take less than this anyway.
_HEADER_BYTES_MAX = 65_536


def choose_server(wanted: str, meinheld_installed: bool) -> tuple[str, str | None]:
    """Return the server to run, and one line that says why if it is not the first choice. Raises SettingError."""
    if wanted == "auto":
        if meinheld_installed:
            return "meinheld", None
        return (
            "granian",
            "edge: meinheld is not installed here (it needs a C compiler and Python 3.11 or 3.12); using granian",
        )
    if wanted == "meinheld" and not meinheld_installed:
        raise SettingError(
            "EDGE_SERVER is meinheld, which is not installed here; set EDGE_SERVER=granian", field="EDGE_SERVER"
        )
    return wanted, None


def command(server: str, settings: EdgeSettings) -> list[str]:
    """Return the command line of the edge under a server."""
    if server == "granian":
        granian = _granian(settings, settings.port, settings.workers)
        return [*granian, "--interface", "wsgi", "--blocking-threads", "1", _APP]
    worker_class = "edge.http.meinheld_worker.GracefulMeinheldWorker" if server == "meinheld" else "gthread"
    return [sys.executable, "-m", "gunicorn", "-c", str(_GUNICORN_CONFIG), "-k", worker_class, _APP]


def intake_command(settings: EdgeSettings) -> list[str]:
    """Return the command line of the postback intake. It is granian, whatever EDGE_SERVER says. Raises SettingError."""
    if not settings.intake_port:
        raise SettingError("INTAKE_PORT is 0, which means no intake; set it to a port", field="INTAKE_PORT")
    return [
        *_granian(settings, settings.intake_port, settings.intake_workers),
        *("--interface", "asginl", "--loop", "asyncio", _INTAKE_APP),
    ]


def _granian(settings: EdgeSettings, port: int, workers: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--host", settings.host, "--port", str(port), "--workers", str(workers)),
        *("--no-ws", "--http", "1", "--respawn-failed-workers", "--workers-kill-timeout", "8"),
        *("--http1-header-read-timeout", "8000", "--http1-buffer-size", str(_HEADER_BYTES_MAX)),
        *("--log-level", settings.log_level),
    ]


def main() -> None:
    """Replace this process with the server."""
    parser = argparse.ArgumentParser(prog="python -m edge", description="Answer clicks and postbacks.")
    parser.add_argument(
        "part", nargs="?", choices=["intake"], help="the intake takes postbacks in a process of its own"
    )
    part = parser.parse_args().part
    note = None
    try:
        settings = edge_settings()
        if part == "intake":
            arguments = intake_command(settings)
        else:
            server, note = choose_server(settings.server, importlib.util.find_spec("meinheld") is not None)
            arguments = command(server, settings)
    except SettingError as error:
        sys.exit(f"{part or 'edge'}: {error.message}")
    if note:
        sys.stderr.write(note + "\n")
        sys.stderr.flush()
    os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    main()
