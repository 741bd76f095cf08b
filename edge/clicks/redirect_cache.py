"""The redirects that one edge process keeps, so that a link in demand needs no look into the mirror."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from config.configuration import slug_checksum

ENTRIES_MAX = 4096
_OFFERED_MAX = 4096

Key = tuple[str, str]
Value = TypeVar("Value")


class RedirectCache(Generic[Value]):
    """At most 4096 values by Host header and slug. A new one takes the place of the oldest.

    PERF: a value is kept only when it is offered for the second time. When a million links are asked for at random,
    hardly one is asked for again while it would be in the cache; then `offer` costs one comparison and drops nothing.
    """

    def __init__(self) -> None:
        self.values: OrderedDict[Key, Value] = OrderedDict()
        self._keys_of: dict[int, set[Key]] = {}
        self._offered = [0] * _OFFERED_MAX

    def offer(self, key: Key, value: Value) -> None:
        """Keep a value if it was offered before, and not too long ago."""
        number = hash(key)
        place = number % _OFFERED_MAX
        if self._offered[place] != number:
            self._offered[place] = number
            return
        if len(self.values) >= ENTRIES_MAX:
            oldest = next(iter(self.values))
            self._drop(oldest)
        self.values[key] = value
        self._keys_of.setdefault(slug_checksum(key[1]), set()).add(key)

    def forget(self, checksums: Iterable[int]) -> None:
        """Drop the values of the slugs with these checksums, whatever their host."""
        for checksum in checksums:
            for key in self._keys_of.pop(checksum, ()):
                self.values.pop(key, None)

    def forget_everything(self) -> None:
        """Drop all values."""
        self.values.clear()
        self._keys_of.clear()

    def _drop(self, key: Key) -> None:
        del self.values[key]
        checksum = slug_checksum(key[1])
        keys = self._keys_of[checksum]
        keys.discard(key)
        if not keys:
            del self._keys_of[checksum]
