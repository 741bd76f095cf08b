"""How much of a cap is granted and used on all hosts together, as the admin shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis import Redis

from config.caps.keys import EXHAUSTED_FIELD, HOSTS_KEY, grants_key, period_field, used_key


class CapUse(NamedTuple):
    """What hosts hold of a cap in a period, what of it is used, and since when, in Unix milliseconds, nothing is left.

    A host that has not told what it has used counts with all that it holds.
    """

    granted: int
    used: int
    exhausted_ms: int | None


def load_use(redis: Redis, periods: Sequence[tuple[int, int]]) -> list[CapUse]:
    """Return the use of each (cap_id, start_s). Raises RedisError."""
    if not periods:
        return []
    hosts: list[bytes] = redis.hkeys(HOSTS_KEY)  # type: ignore[assignment]
    tokens = [token.decode() for token in hosts]
    fields = [period_field(*period) for period in periods]
    pipeline = redis.pipeline(transaction=False)
    for token in tokens:
        pipeline.hmget(used_key(token), fields)
    for period in periods:
        pipeline.hgetall(grants_key(*period))
    answers = pipeline.execute()
    used_by = dict(zip(tokens, answers, strict=False))
    uses = []
    for place, numbers in enumerate(answers[len(tokens) :]):
        held = {token.decode(): int(number) for token, number in numbers.items()}
        exhausted_ms = held.pop(EXHAUSTED_FIELD, None)
        used = 0
        for token, number in held.items():
            told = used_by[token][place] if token in used_by else None
            used += number if told is None else min(number, int(told))
        uses.append(CapUse(sum(held.values()), used, exhausted_ms))
    return uses
