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
# For gthread only. Four slow connections starve four threads, so put a proxy in front.
threads = 16
# For meinheld this is the highest file descriptor, for gthread the largest number of connections of a worker.
worker_connections = 10_000
keepalive = 15
timeout = 30
graceful_timeout = 8
backlog = 2048
# Each process takes a spool slot when it loads the app, so it must be loaded after the fork.
preload_app = False
# By default the heartbeat file is on disk, and gunicorn kills workers if that disk is full or slow.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
# The spool is the log of requests.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
# A click's query may be long. 8190 is gunicorn's own upper limit of a request line.
limit_request_line = 8190
# By default gunicorn opens a control socket in the user's home directory, the same for all its gunicorns.
control_socket_disable = True


def pre_fork(server: object, worker: object) -> None:
    """Restore gunicorn's own logging in the arbiter, which meinheld's worker has just replaced.

    meinheld's takes other arguments, so the arbiter failed when the first worker was killed, and all workers ended.
    """
    Logger.error = _own_error
