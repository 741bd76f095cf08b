"""Tests that compare times, marked `quiet`, have the machine to themselves: no other worker process runs a test beside.

Two files are locked. Every test holds the first one shared while it runs, a quiet test alone. The second is the door:
whoever waits to be alone stands in it, so that the others do not go on taking turns for ever.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

QUIET = "quiet"


class QuietPlaces:
    """The locks of one run of the tests, as one of its processes sees them."""

    def __init__(self, run: str) -> None:
        directory = Path(tempfile.gettempdir())
        self._room = (directory / f"waypost-tests-{run}.room").open("w")
        self._door = (directory / f"waypost-tests-{run}.door").open("w")
        self._is_alone = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Hold the place that a test needs, outside of its time limit.

        Between two quiet tests it is kept, so that they wait for the others once.
        """
        if not self._is_alone:
            self._enter(alone=_is_quiet(item))
        try:
            return (yield)
        finally:
            if not (self._is_alone and nextitem is not None and _is_quiet(nextitem)):
                self._leave()

    def pytest_unconfigure(self) -> None:
        """Remove the files; a process that still has them open keeps its locks."""
        for file in (self._room, self._door):
            file.close()
            Path(file.name).unlink(missing_ok=True)

    def _enter(self, *, alone: bool) -> None:
        with _locked(self._door):
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        self._is_alone = alone

    def _leave(self) -> None:
        self._is_alone = False
        fcntl.flock(self._room, fcntl.LOCK_UN)


def _is_quiet(item: pytest.Item) -> bool:
    return item.get_closest_marker(QUIET) is not None


@contextmanager
def _locked(file: IO[str]) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
