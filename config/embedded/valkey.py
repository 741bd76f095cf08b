"""The embedded Valkey: writes its configuration file, builds its command line, checks readiness. Others start it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.embedded.binaries import valkey_server

STOP_SIGNAL = signal.SIGTERM
# A warning at every start about the only fork there is. docs/operations.md covers it; the terminal need not.
HIDDEN = b"Memory overcommit must be enabled"
# The append-only file survives a restart; snapshots would only cost a fork. Jobs must never be evicted.
_CONFIGURATION = """\
bind 127.0.0.1
protected-mode yes
port {port}
dir {directory}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel warning
"""


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """One server on 127.0.0.1 with its data in `directory`."""

    directory: Path
    program: Path
    port: int
    password: str

    def url(self) -> str:
        """Return its URL."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration file. SECURITY: only we can read the password in it; a command line would show it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.directory / "valkey.conf.draft"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(
            _CONFIGURATION.format(port=self.port, directory=_quoted(self.directory), password=_quoted(self.password))
        )
        draft.replace(self.directory / "valkey.conf")

    def command(self) -> list[str]:
        """Return the command line."""
        return [str(self.program), str(self.directory / "valkey.conf")]

    def is_ready(self, pid: int) -> bool:
        """Say whether the server that runs as `pid` has loaded its data and answers."""
        client = Redis.from_url(self.url(), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping()) and client.info("server")["process_id"] == pid
        except RedisError:
            return False
        finally:
            client.close()


def embedded_valkey(home: Path, port: int, password: str) -> EmbeddedValkey:
    """Prepare the places of the embedded Valkey of `home`, or raise EmbeddedError. This starts nothing."""
    return EmbeddedValkey(home / "valkey", valkey_server(), port, password)


def _quoted(value: str | Path) -> str:
    """Return a value as the configuration file writes it. Paths may hold blanks, quotes and bytes outside UTF-8."""
    text = os.fspath(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
