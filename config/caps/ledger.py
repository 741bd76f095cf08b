"""An edge host's account of capacity in Redis.

For each cap and period there is a hash with one number for each host: how much of the limit it holds, used or not. A
host is given more only while the sum stays within the limit. Each host writes its own number, whole, whenever it asks.
So an answer that got lost gives nothing away, and a flushed Redis has all numbers again within seconds; until then
nothing is granted (`GRACE_S`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import NoScriptError

from config.caps.keys import (
    CONVERSIONS_VERSION_KEY,
    EPOCH_KEY,
    EXHAUSTED_FIELD,
    HOSTS_KEY,
    WANTED_KEY,
    grants_key,
    period_field,
    used_key,
)

# How long all hosts have to say what they hold, after Redis lost its data.
GRACE_S = 5.0
# A host that has not beaten for so long does not share in what is left.
_AWAY_MS = 10_000
# How long a cap counts as wanted after a host could not get capacity.
_WANTED_MS = 3_000
_FORGET_S = 40 * 86_400
# The hash of a period stays for so long after its end, so that its use can still be shown.
_KEPT_S = 2 * 86_400
_FOREVER_S = 2**32 - 1
_CHUNK = 500

_BEAT = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = redis.call('GET', KEYS[1])
if not epoch then
    epoch = ARGV[2] .. ':' .. now
    redis.call('SET', KEYS[1], epoch)
end
redis.call('HSET', KEYS[2], ARGV[1], now)
local hosts, count = redis.call('HGETALL', KEYS[2]), 0
for i = 1, #hosts, 2 do
    local age = now - hosts[i + 1]
    if age < {_AWAY_MS} then count = count + 1
    elseif age > {_FORGET_S * 1000} then redis.call('HDEL', KEYS[2], hosts[i]) end
end
local all, wanted = redis.call('HGETALL', KEYS[3]), {{}}
for i = 1, #all, 2 do
    if now - all[i + 1] < {_WANTED_MS} then wanted[#wanted + 1] = all[i]
    else redis.call('HDEL', KEYS[3], all[i]) end
end
local ready = now - string.match(epoch, ':(%d+)$') >= tonumber(ARGV[3])
return {{epoch, ready and 1 or 0, count, wanted, redis.call('GET', KEYS[4]) or ''}}
"""
# PERF: each command in it counts. The time is asked for only where a cap ends.
_ASK = f"""
local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
local held, more, limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local numbers, others, holders, own, exhausted = redis.call('HGETALL', KEYS[1]), 0, 1, false, false
for i = 1, #numbers, 2 do
    if numbers[i] == '{EXHAUSTED_FIELD}' then exhausted = true
    elseif numbers[i] == ARGV[1] then own = tonumber(numbers[i + 1])
    else others, holders = others + numbers[i + 1], holders + 1 end
end
local ready = redis.call('GET', KEYS[2]) == ARGV[7]
if holders < tonumber(ARGV[10]) then others = math.max(others, tonumber(ARGV[9])) end
if held < 0 then
    held = own or 0
    if not ready then return {{0, 0, 0, 0, 0, 0}} end
end
local left, given = math.max(0, limit - others - held), 0
if ready then
    local share = math.floor(left / (2 * tonumber(ARGV[5])))
    -- A host that is alone may have all but the last click, which says when the cap is exhausted.
    if tonumber(ARGV[5]) <= 1 then share = left - 1 end
    given = math.min(more, left, math.max(1, share))
    left = left - given
end
redis.call('HSET', KEYS[1], ARGV[1], held + given)
if left > 0 then
    if exhausted then redis.call('HDEL', KEYS[1], '{EXHAUSTED_FIELD}') end
elseif not exhausted and ready then redis.call('HSET', KEYS[1], '{EXHAUSTED_FIELD}', now()) end
if ready and more > 0 and given == 0 then redis.call('HSET', KEYS[3], ARGV[8], now()) end
if not own and ARGV[6] ~= '0' then redis.call('EXPIREAT', KEYS[1], ARGV[6]) end
return {{given, left, ready and 1 or 0, held, others, holders}}
"""


class Beat(NamedTuple):
    """What a host learns with each beat: the epoch of Redis's data, whether it is old enough for grants, how many hosts
    there are, the periods of caps that some host wants capacity of, and the version of the conversion counts.
    """

    epoch: str
    ready: bool
    hosts: int
    wanted: frozenset[str]
    conversions: str


class Ask(NamedTuple):
    """A host says that it holds `held` of a cap in a period, and asks for `more`, 0 to ask for nothing.

    `held` is -1 if the host does not know whether it has held any: then it holds what it has told Redis before.
    `others` and `holders` are those of the last answer. As long as Redis knows of fewer hosts, it has lost the numbers
    of some, and the others count with at least what they held then.
    """

    cap_id: int
    limit: int
    start_s: int
    end_s: int
    held: int
    more: int
    others: int = 0
    holders: int = 0


class Granted(NamedTuple):
    """What a host was given on top of what it `held`, what is left, what the `others` hold, and how many hosts hold it.

    If not `ready`, nothing is granted yet.
    """

    given: int
    left: int
    ready: bool
    held: int
    others: int
    holders: int


class CapLedger:
    """The account of the host that is named by `token`. Every method raises RedisError."""

    def __init__(self, redis: Redis, token: str, grace_s: float = GRACE_S) -> None:
        self._redis = redis
        self._token = token
        self._grace_ms = int(grace_s * 1000)
        # The epoch as Redis holds it, if its data was old enough at the last beat.
        self._ready_epoch = b""
        self._shas: dict[str, str] = {}

    def beat(self) -> Beat:
        """Say that the host is there."""

        def call(pipeline: Pipeline) -> None:
            keys = (EPOCH_KEY, HOSTS_KEY, WANTED_KEY, CONVERSIONS_VERSION_KEY)
            pipeline.evalsha(self._sha(_BEAT), len(keys), *keys, self._token, secrets.token_hex(8), self._grace_ms)

        ((epoch, ready, hosts, wanted, version),) = self._run(call)
        self._ready_epoch = epoch if ready else b""
        name, _, _ = epoch.decode().partition(":")
        return Beat(name, bool(ready), hosts, frozenset(field.decode() for field in wanted), version.decode())

    def ask(self, asks: Sequence[Ask], hosts: int) -> list[Granted]:
        """Write what the host holds, and return what it was given. `hosts` share what is left."""
        answers: list[Granted] = []
        for first in range(0, len(asks), _CHUNK):
            part = asks[first : first + _CHUNK]

            def call(pipeline: Pipeline, part: Sequence[Ask] = part) -> None:
                for ask in part:
                    self._ask(pipeline, ask, hosts)

            answers += [Granted(given, left, bool(ready), *rest) for given, left, ready, *rest in self._run(call)]
        return answers

    def _ask(self, pipeline: Pipeline, ask: Ask, hosts: int) -> None:
        keys = (grants_key(ask.cap_id, ask.start_s), EPOCH_KEY, WANTED_KEY)
        expire_at = 0 if ask.end_s >= _FOREVER_S else ask.end_s + _KEPT_S
        pipeline.evalsha(
            self._sha(_ASK),
            len(keys),
            *keys,
            self._token,
            *(str(number) for number in (ask.held, ask.more, ask.limit, max(1, hosts), expire_at)),
            self._ready_epoch,
            period_field(ask.cap_id, ask.start_s),
            *(ask.others, ask.holders),
        )

    def report(self, used: dict[tuple[int, int], int], over: Sequence[tuple[int, int]]) -> None:
        """Tell how much the host has used, by cap and start of the period, and forget the periods that are over."""
        key = used_key(self._token)
        pipeline = self._redis.pipeline(transaction=False)
        if used:
            fields: dict[Any, Any] = {period_field(*period): count for period, count in used.items()}
            pipeline.hset(key, mapping=fields)
        if over:
            pipeline.hdel(key, *(period_field(*period) for period in over))
        pipeline.expire(key, _FORGET_S)
        pipeline.execute()

    def _sha(self, script: str) -> str:
        if script not in self._shas:
            self._shas[script] = self._redis.script_load(script)
        return self._shas[script]

    def _run(self, call: Callable[[Pipeline], None]) -> list[Any]:
        """Return the answers to what `call` puts into a pipeline. A Redis that was restarted gets the scripts again."""
        try:
            return self._answers(call)
        except NoScriptError:
            self._shas.clear()
            return self._answers(call)

    def _answers(self, call: Callable[[Pipeline], None]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        call(pipeline)
        answers: list[Any] = pipeline.execute()
        return answers
