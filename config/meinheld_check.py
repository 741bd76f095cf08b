"""`python -m config.meinheld_check`: the exit status says whether the installed meinheld can serve the edge.

Importing it proves nothing. Compiled without NDEBUG, it aborts on its first request. Compiled with a strict parser, it
answers 400 to a raw byte beyond ASCII in a query, and the click is lost. So it serves such a request, in a child
process.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

_REQUEST = b"GET /click/x?name=caf\xe9 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
_TIMEOUT_S = 10


def answers(listener: socket.socket) -> bool:
    """Return whether a meinheld that serves `listener` in a child process answers 200."""
    child = os.fork()
    if child == 0:
        _serve(listener)
        os._exit(0)
    try:
        with socket.create_connection(listener.getsockname(), timeout=_TIMEOUT_S) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(listener: socket.socket) -> None:
    from meinheld import server

    signal.alarm(_TIMEOUT_S)
    server.set_listen_socket([listener.fileno()])
    server.run(_app)


def _app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as own:
        sys.exit(0 if answers(own) else 1)
