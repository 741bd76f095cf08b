"""Which links of the mirror changed: a file beside it that every process of a host maps, one writer, many readers.

A counter, and a ring of the marks of the latest changes, so that a reader forgets what changed and nothing else. A mark
is the CRC-32 of a slug: two slugs that share one are forgotten together.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from config.shared_words import map_words

_NAME = "changes"
RING = 1024
# Beyond this a set of changes is noted as "everything": the ring would hold little else.
_NOTED_MAX = 256
_LOW = (1 << 32) - 1


class MirrorChanges:
    """The file. `words[0]` counts changes; words 1 to 1024 are the ring, each a change's number and mark.

    The number tells a reader whether the mark is of the change it looks for: not if the writer has come around, or if
    this processor sees the counter before the mark. Then everything is forgotten, which is always right.
    """

    def __init__(self, directory: Path) -> None:
        # Whoever comes first makes the file, so that readers may start before the agent has ever run.
        self.words = memoryview(map_words(directory / _NAME, 1 + RING, writable=True)).cast("Q")

    def record(self, keys: Iterable[str]) -> None:
        """Tell the readers of changes that are committed. A profile's change concerns every link; a token's, none."""
        marks = {slug_checksum(key.split(":", 2)[2]) for key in keys if key.startswith("l:")}
        if len(marks) > _NOTED_MAX or any(key.startswith("p:") for key in keys):
            self.record_everything()
            return
        words = self.words
        count = words[0]
        for slug_mark in marks:
            count += 1
            words[1 + count % RING] = (count & _LOW) << 32 | slug_mark
        words[0] = count

    def record_everything(self) -> None:
        """Make every reader forget all it remembers."""
        self.words[0] += RING + 1

    def between(self, seen: int, count: int) -> list[int] | None:
        """Return the marks noted after `seen` up to `count`, two values of the counter; None means everything."""
        if not 0 <= count - seen <= RING:
            return None
        marks = []
        for number in range(seen + 1, count + 1):
            word = self.words[1 + number % RING]
            if word >> 32 != number & _LOW:
                return None
            marks.append(word & _LOW)
        return marks


def slug_checksum(slug: str) -> int:
    """Return the mark of a slug."""
    return crc32(slug.encode("utf-8", "replace"))
