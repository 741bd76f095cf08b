"""gunicorn's configuration of the admin API. It is one process, so that all threads share one publisher and one
pool.
"""

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
# By default the heartbeat file is on disk, and gunicorn kills the worker if that disk is full or slow.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
# By default gunicorn opens a control socket in the user's home directory, the same for all its gunicorns.
control_socket_disable = True
