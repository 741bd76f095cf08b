"""Starts the edge: becomes the WSGI server that EDGE_SERVER names. `auto` is meinheld where it is installed, else
granian.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from config.settings import EdgeSettings, SettingError, edge_settings

_GUNICORN_CONFIG = Path(__file__).resolve().parent.parent / "config" / "gunicorn_edge.py"
_APP = "edge.wsgi:app"


def choose_server(wanted: str, meinheld_installed: bool) -> tuple[str, str | None]:
    """Return the server to run and, where it is not the first choice, one line that says why. Raises SettingError."""
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
    """Return the command line of a server."""
    if server == "granian":
        return [
            *(
                sys.executable,
                "-m",
                "granian",
                "--interface",
                "wsgi",
                "--host",
                settings.host,
                "--port",
                str(settings.port),
            ),
            *("--workers", str(settings.workers), "--blocking-threads", "1", "--no-ws", "--http", "1"),
            *(
                "--respawn-failed-workers",
                "--workers-kill-timeout",
                "8",
                "--http1-header-read-timeout",
                "8000",
                "--log-level",
                settings.log_level,
                _APP,
            ),
        ]
    worker_class = "edge.meinheld_worker.GracefulMeinheldWorker" if server == "meinheld" else "gthread"
    return [sys.executable, "-m", "gunicorn", "-c", str(_GUNICORN_CONFIG), "-k", worker_class, _APP]


def main() -> None:
    """Replace this process with the server."""
    try:
        settings = edge_settings()
        server, note = choose_server(settings.server, importlib.util.find_spec("meinheld") is not None)
    except SettingError as error:
        sys.exit(f"edge: {error.message}")
    if note:
        sys.stderr.write(note + "\n")
        sys.stderr.flush()
    arguments = command(server, settings)
    os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    main()
