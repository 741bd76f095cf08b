"""gunicorn's meinheld worker with a graceful stop: it closes its listening socket, answers every connection that it has
accepted with `Connection: close`, and ends. meinheld's own worker lets new connections wait and then resets them all.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from meinheld import server
from meinheld.gmeinheld import MeinheldWorker

# Idle connections are closed after so long. This is shorter than gunicorn's graceful_timeout, after which it kills.
_DRAIN_S = 3
_SETTLE_S = 0.5
_SWITCH_S = 0.0001
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class GracefulMeinheldWorker(MeinheldWorker):  # type: ignore[misc]
    """One edge process under gunicorn."""

    def init_process(self) -> None:
        """Load the application and serve until told to stop."""
        # meinheld replaces Python's signal handlers and runs no Python code while it is idle. So the signals are
        # blocked in every thread, the application's too, and a thread of our own waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application behind a call that drops errors left over by earlier requests."""
        super().load_wsgi()
        app: Callable[..., Any] = self.app.wsgi()
        self.wsgi = _shielded(app)

    def run(self) -> None:
        """Serve until told to stop."""
        listeners = [listener.fileno() for listener in self.sockets]
        arguments = (listeners, threading.get_ident())
        threading.Thread(target=_stop_when_told, args=arguments, name="stop", daemon=True).start()
        super().run()


def _shielded(app: Callable[..., Any]) -> Callable[..., Any]:
    """Return `app` behind a call that drops an error left over by an earlier request.

    SECURITY: when meinheld refuses CONNECT or an unknown upgrade, it sets a Python error and leaves it set. The next
    visitor's request would then be answered 500. Making an object is the cheapest call that raises the error.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:  # noqa: SIM105
            object()
        except SystemError:
            pass
        return app(environ, start_response)

    return call


def _stop_when_told(listeners: list[int], main_thread: int) -> None:
    signal.sigwait(_STOPPING)
    nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    # Shortens the time between looking at the backlog and closing it.
    sys.setswitchinterval(_SWITCH_S)
    # RACE: none with the event loop, which gives up the interpreter's lock only while it waits for events.
    server.set_keepalive(0)
    _await_empty_backlog(listeners, main_thread)
    for descriptor in listeners:
        # It is not closed: meinheld closes this number itself at the end, when a segment of the spool could have it.
        os.dup2(nowhere, descriptor, inheritable=False)
    server.stop(_DRAIN_S)
    _wake(main_thread)


def _await_empty_backlog(listeners: list[int], main_thread: int) -> None:
    """Let the event loop accept the connections that wait already; closing the socket would reset them."""
    backlog: Any = select.poll()
    for descriptor in listeners:
        backlog.register(descriptor, select.POLLIN)
    paused = threading.Event()
    for _ in range(int(_SETTLE_S / 0.005)):
        if not backlog.poll(0):
            return
        _wake(main_thread)
        paused.wait(0.005)


def _wake(main_thread: int) -> None:
    """Interrupt the event loop's wait, so that it notices that it has to end. The signal does nothing else."""
    signal.pthread_kill(main_thread, signal.SIGWINCH)
