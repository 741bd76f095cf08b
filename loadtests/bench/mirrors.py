"""Mirrors to measure with: how long a large one takes to build, and a writer that changes one 100 times a second."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from config.configuration import (
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    encode_published,
    link_key,
    mirror_meta,
    profile_key,
)
from tracking.clicks import compile_template

HOST = "bench.example"
CHANGES_PER_S = 100
PARTS = list(compile_template("https://m.example/p?c={click_id}&s={sub1}", "destination_url"))
MIRROR_BYTES = 1 << 32


def build(home: Path, links: int) -> float:
    """Make a mirror of one profile and `links` links called link1, link2, …; return the seconds it took.

    The links arrive in no order, as from a Redis hash.
    """
    numbers = list(range(1, links + 1))
    random.Random(1).shuffle(numbers)
    writer = MirrorWriter(home / "mirror", MIRROR_BYTES)
    began = monotonic()
    writer.replace(mirror_meta("bench", 1, "0-0"), _served(numbers))
    writer.close()
    return monotonic() - began


@contextmanager
def churn(home: Path, links: int) -> Iterator[list[int]]:
    """Change one of the links that are asked for 100 times a second, in this process, while the body runs.

    Yields a list whose item is the count.
    """
    writer = MirrorWriter(home / "mirror", MIRROR_BYTES)
    stopping, done = Event(), [0]

    def write() -> None:
        due = monotonic()
        while not stopping.wait(max(0.0, due - monotonic())):
            due += 1 / CHANGES_PER_S
            done[0] += 1
            number = random.randint(1, links)
            changed = {link_key(1, f"link{number}"): encode_published(_link(number))}
            writer.apply(mirror_meta("bench", 1 + done[0], f"0-{done[0]}"), changed)

    thread = Thread(target=write, name="churn", daemon=True)
    thread.start()
    try:
        yield done
    finally:
        stopping.set()
        thread.join()
        writer.close()


def _served(numbers: list[int]) -> Iterator[tuple[str, bytes]]:
    yield profile_key(HOST), encode_published(PublishedProfile(1, "Bench", True, "302", None, [], 300))
    for number in numbers:
        yield link_key(1, f"link{number}"), encode_published(_link(number))


def _link(number: int) -> PublishedLink:
    return PublishedLink(number, True, PARTS, None, [None] * 10)
