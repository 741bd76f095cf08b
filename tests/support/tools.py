"""Programs that come as packages of the system, such as nginx. As root they are installed where they are absent."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 100


def require_tool(package: str, *names: str) -> str:
    """Return the path of a program, by the first of its names that is there.

    Where it is absent and cannot be installed, that is a failure in CI and a skip elsewhere.
    """
    if found := _installed(package, names):
        return found
    because = f"{names[0]} is not installed; on Debian and Ubuntu: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(because)
    pytest.skip(because)


@cache
def _installed(package: str, names: tuple[str, ...]) -> str | None:
    if (found := _found(names)) or os.geteuid() or shutil.which("apt-get") is None:
        return found
    install = ["install", "-y", "--no-install-recommends", package]
    # apt refuses to run beside another one, which another process of these tests may have started.
    with (Path(tempfile.gettempdir()) / "waypost-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A fresh image has no lists of packages; elsewhere they need not be fetched.
        for step in (install, ["update"], install):
            if found := _found(names):
                break
            environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(["apt-get", *step], env=environ, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    return _found(names)


def _found(names: tuple[str, ...]) -> str | None:
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return next((path for name in names if (path := shutil.which(name, path=search))), None)
