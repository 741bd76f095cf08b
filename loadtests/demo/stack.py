"""Where the running stack is: its addresses and operator token, read from the same settings as `make up`."""

from __future__ import annotations

from dataclasses import dataclass

from config.settings import EmbeddedSettings, embedded_settings
from tracking.runtime import WaypostError

_LISTENS_EVERYWHERE = {
    "0.0.0.0": "127.0.0.1",  # noqa: S104
    "": "127.0.0.1",
    "::": "::1",
    "[::]": "::1",
}


class DemoError(WaypostError):
    """The demo cannot go on; the message says what to do."""

    code = "demo-failed"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack as its clients see it."""

    edge_host: str
    edge_port: int
    admin_host: str
    admin_port: int
    token: str


def locate_stack(settings: EmbeddedSettings | None = None) -> Stack:
    """Return the stack that the settings name, or raise DemoError when it has never been started."""
    chosen = settings or embedded_settings()
    path = chosen.home / "admin-token"
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise DemoError(
            f"cannot read {path} ({error.strerror}): start the stack with `make up` in another terminal, "
            "or set WAYPOST_HOME to the home of the one that runs"
        ) from error
    return Stack(
        edge_host=_LISTENS_EVERYWHERE.get(chosen.edge_host, chosen.edge_host),
        edge_port=chosen.edge_port,
        admin_host=_LISTENS_EVERYWHERE.get(chosen.admin_host, chosen.admin_host),
        admin_port=chosen.admin_port,
        token=token,
    )
