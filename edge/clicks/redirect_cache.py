"""The redirects that one edge process keeps, so that a link in demand needs no look into the mirror."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from config.configuration import slug_checksum

ENTRIES_MAX = 4096
_ASKED_MAX = 4096

Key = tuple[str, str]
Remembered = TypeVar("Remembered")


class RedirectCache(Generic[Remembered]):
    """At most 4096 values by Host header and slug. A new one takes the place of the oldest.

    PERF: a value is kept only when it is offered for the second time. When a million links are asked for at random,
    hardly one is asked for again while it would be in the cache; then `offer` costs one comparison and drops nothing.
    """

    def __init__(self) -> None:
        self.known: OrderedDict[Key, Remembered] = OrderedDict()
        self._keys_of: dict[int, set[Key]] = {}
        self._asked = [0] * _ASKED_MAX

    def offer(self, key: Key, value: Remembered) -> None:
        """Keep a value if it was offered before, and not too long ago."""
        number = hash(key)
        place = number % _ASKED_MAX
        if self._asked[place] != number:
            self._asked[place] = number
            return
        if len(self.known) >= ENTRIES_MAX:
            oldest = next(iter(self.known))
            self._drop(oldest)
        self.known[key] = value
        self._keys_of.setdefault(slug_checksum(key[1]), set()).add(key)

    def forget(self, marks: Iterable[int]) -> None:
        """Drop the values of the slugs with these checksums, whatever their host."""
        for slug_mark in marks:
            for key in self._keys_of.pop(slug_mark, ()):
                self.known.pop(key, None)

    def forget_everything(self) -> None:
        """Drop all values."""
        self.known.clear()
        self._keys_of.clear()

    def _drop(self, key: Key) -> None:
        del self.known[key]
        slug_mark = slug_checksum(key[1])
        keys = self._keys_of[slug_mark]
        keys.discard(key)
        if not keys:
            del self._keys_of[slug_mark]
