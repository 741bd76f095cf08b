"""gunicorn's configuration of the admin API: one process, so that one publisher and one pool serve all its threads."""

from __future__ import annotations

from pathlib import Path

from config.settings import admin_settings

_settings = admin_settings()
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
worker_class = "gthread"
workers = 1
threads = _settings.threads
keepalive = 15
timeout = 60
graceful_timeout = 8
# PERF: the heartbeat file would be on disk, where a full or slow disk makes gunicorn kill the worker.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
# gunicorn would open a control socket under the home directory of the user, shared by all gunicorns of that user.
control_socket_disable = True
