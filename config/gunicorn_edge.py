"""gunicorn's configuration of the edge, under meinheld or gthread; edge/__main__.py names the worker class."""

from __future__ import annotations

from pathlib import Path

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.settings import edge_settings

_settings = edge_settings()
_own_error = Logger.error
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.workers
# For gthread alone. Four trickling connections starve four threads: put a proxy in front.
threads = 16
# For meinheld the highest file descriptor, for gthread the most connections of a worker.
worker_connections = 10_000
keepalive = 15
timeout = 30
graceful_timeout = 8
backlog = 2048
# Each process takes a spool slot when it loads the app, so never before the fork.
preload_app = False
# PERF: the heartbeat file would be on disk, where a full or slow disk makes gunicorn kill workers.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
# The spool is the log of requests.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
# A click's query may be long: 8190 is gunicorn's own upper limit for the request line.
limit_request_line = 8190
# gunicorn would open a control socket under the home directory of the user, shared by all gunicorns of that user.
control_socket_disable = True


def pre_fork(server: object, worker: object) -> None:
    """Give gunicorn its own logging back: meinheld's worker, made just before, replaced it in the arbiter too.

    What it puts there takes other arguments, so the first killed worker made the arbiter fail, and all workers with it.
    """
    Logger.error = _own_error
