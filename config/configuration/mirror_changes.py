"""Tells edge processes which links of the mirror changed, by a file beside it that every process of the host maps.

The file has a counter and a ring of the checksums of the latest changed slugs, so that a reader drops only what changed
from its cache. Two slugs with the same CRC-32 are dropped together.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from config.shared_words import map_words

_NAME = "changes"
RING = 1024
# A larger set of changes counts as a change of everything; it would take up most of the ring.
_RECORDED_MAX = 256
_LOW = (1 << 32) - 1


class MirrorChanges:
    """The file. `words[0]` counts changes. Words 1 to 1024 are the ring: each has a change's number and its checksum.

    RACE: the number tells a reader whether the checksum is of the change that it looks for. It is not if the writer has
    gone around the ring, or if this processor sees the counter first. Then the reader drops everything, which is safe.
    """

    def __init__(self, directory: Path) -> None:
        # The first process makes the file, so edge processes may start before the agent has ever run.
        self.words = memoryview(map_words(directory / _NAME, 1 + RING, writable=True)).cast("Q")

    def record(self, keys: Iterable[str]) -> None:
        """Record committed changes. The change of a profile concerns all links, that of a token none.

        A rotation is no part of a cached decision. It has a checksum, so that readers notice that something changed.
        """
        keys = list(keys)
        checksums = {slug_checksum(key.split(":", 2)[2]) for key in keys if key.startswith("l:")}
        checksums |= {slug_checksum(key) for key in keys if key.startswith("r:")}
        if len(checksums) > _RECORDED_MAX or any(key.startswith("p:") for key in keys):
            self.record_everything()
            return
        words = self.words
        count = words[0]
        for checksum in checksums:
            count += 1
            words[1 + count % RING] = (count & _LOW) << 32 | checksum
        words[0] = count

    def record_everything(self) -> None:
        """Make every reader drop all that it has cached."""
        self.words[0] += RING + 1

    def between(self, seen: int, count: int) -> list[int] | None:
        """Return the checksums recorded after `seen` up to `count`, two values of the counter; None means all slugs."""
        if not 0 <= count - seen <= RING:
            return None
        checksums = []
        for number in range(seen + 1, count + 1):
            word = self.words[1 + number % RING]
            if word >> 32 != number & _LOW:
                return None
            checksums.append(word & _LOW)
        return checksums


def slug_checksum(slug: str) -> int:
    """Return the CRC-32 of a slug."""
    return crc32(slug.encode("utf-8", "replace"))
