"""The agent does all of an edge host's work that needs the network: it brings the configuration to the mirror and the
spool's records to the workers. There is one on each host.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread

from redis import Redis, RedisError

from config.configuration import MirrorWriter
from config.settings import EdgeSettings, SettingError, edge_settings
from edge.caps import CapKeeper, CapRows, Grants
from edge.configuration import Follower
from edge.health import CONFIRMED_NAME
from edge.host_report import HostReporter
from edge.spool import Shipper

_log = logging.getLogger(__name__)
_IDLE_S = 0.02
_PAUSE_S = 0.5
_CAPS_ROUND_S = 0.1
_SOCKET_TIMEOUT_S = 5


def run(settings: EdgeSettings, stopping: Event) -> None:
    """Follow the configuration, ship the spools and keep the caps supplied until `stopping` is set."""
    mirror = MirrorWriter(settings.mirror_dir, settings.mirror_max_bytes)
    follower = Follower(_connect(settings), mirror, settings.mirror_dir / CONFIRMED_NAME)
    shipper = Shipper(settings, _connect(settings))
    reporter = HostReporter(settings, _connect(settings), mirror.meta, shipper.oldest_ms)
    keeper = CapKeeper(CapRows(Grants(settings.spool_dir), mirror), _connect(settings))

    def follow() -> None:
        follower.step()

    def ship() -> None:
        busy = shipper.step()
        reporter.step()
        if not busy:
            stopping.wait(_IDLE_S)

    def keep_caps() -> None:
        keeper.step()
        stopping.wait(_CAPS_ROUND_S)

    threads = [
        Thread(target=_loop, args=(name, step, stopping), name=name)
        for name, step in (("follower", follow), ("caps", keep_caps))
    ]
    for thread in threads:
        thread.start()
    _loop("shipper", ship, stopping, while_away=shipper.scan)
    for thread in threads:
        thread.join()
    mirror.close()


def _loop(name: str, step: Callable[[], None], stopping: Event, while_away: Callable[[], None] | None = None) -> None:
    """Repeat a step until `stopping` is set. While Redis is away, pause between steps and call `while_away` each time.

    The loop also outlives every other failure, such as a full disk: if one half of the agent ended, the other half
    would make it look alive. A failure is logged when it begins, when it changes and when it ends.
    """
    failure = ""
    away = False
    while not stopping.is_set():
        try:
            if away and while_away is not None:
                while_away()
            step()
            if failure:
                _log.warning("%s: %s", name, "Redis is back" if away else "works again")
            failure, away = "", False
        except RedisError as error:
            if not away:
                _log.warning("%s: Redis is away: %s", name, error)
            failure, away = "Redis is away", True
            stopping.wait(_PAUSE_S)
        except Exception as error:  # noqa: BLE001 - the loop's boundary
            if failure != repr(error):
                _log.exception("%s: failed, trying again", name)
            failure = repr(error)
            stopping.wait(_PAUSE_S)


def _connect(settings: EdgeSettings) -> Redis:
    return Redis.from_url(
        settings.redis_url, socket_timeout=_SOCKET_TIMEOUT_S, socket_connect_timeout=_SOCKET_TIMEOUT_S
    )


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        settings = edge_settings()
    except SettingError as error:
        sys.exit(f"agent: {error.message}")
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    settings.spool_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(settings.spool_dir / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"agent: another agent already works on SPOOL_DIR {settings.spool_dir}; there is one per host")
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(settings, stopping)


if __name__ == "__main__":
    main()
