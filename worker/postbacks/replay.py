"""The task of a replay: parses stored postbacks again and decides them, or only shows what it would decide.

A replay is a row. Each part of it is one transaction, which also writes the progress, so a killed process has done a
part completely or not at all. A job works for a few seconds and is then queued again behind the postbacks that arrived
in the meantime.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic
from uuid import UUID, uuid4

import psycopg
from redis import RedisError

from tracking.runtime import REPLAY_JOB_OPTIONS, QueueName, Task
from worker.conversions import Cause, Claim, Context, load_context, lock_claims
from worker.money import book_changes
from worker.postbacks.corrections import Corrected, open_corrected, request_of
from worker.postbacks.reparsing import Reparsed, StoredPostback, load_rules, reparse
from worker.postbacks.replay_table import (
    Judgement,
    Replay,
    begin,
    finish,
    load_postbacks,
    load_snapshots,
    lock_replay,
    next_part,
    related_before,
    save_judgements,
    save_progress,
    unfinished,
)
from worker.postbacks.reprocessing import reprocess
from worker.runtime import Connection, Resources, RetryableError, StaleError, is_transient, log, resources, task_queue

Part = list[tuple[StoredPostback, Reparsed]]
PART_MAX = 100
# A dry replay undoes its work. Each part must be decided as in a real replay, so the latest related postbacks that the
# replay changed and undid are first done again, at most so many.
RELATED_MAX = 200
# New postbacks wait for a replay no longer than this.
TURN_S = 5.0
IDLE_S = 10.0
_NOTE_CHARACTERS_MAX = 500


def run_replay(replay_id: int) -> None:
    """Work at a replay until it is done or its turn is over. Raises RetryableError when PostgreSQL stays away."""
    used = resources.current()
    ends_at = monotonic() + TURN_S
    try:
        while used.database.run(lambda connection: _work(connection, used, replay_id)):
            if used.stop.is_set() or monotonic() > ends_at:
                enqueue(used, replay_id)
                break
    except RetryableError:
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"[:_NOTE_CHARACTERS_MAX]
        used.database.run(lambda connection: finish(connection, replay_id, "failed", message))
        raise
    book_changes(used)


def resume_replays() -> None:
    """Queue the replays whose job was lost: no process has worked at them for a while."""
    used = resources.current()
    for replay_id in used.database.run(lambda connection: unfinished(connection, IDLE_S)):
        enqueue(used, replay_id)


def enqueue(used: Resources, replay_id: int) -> None:
    """Queue a replay for its next turn. If Redis does not answer, `resume_replays` does it later."""
    try:
        task_queue(QueueName.POSTBACKS, used.redis).enqueue_call(
            Task.REPLAY.value,
            args=(replay_id,),
            **REPLAY_JOB_OPTIONS,
            job_id=f"replay-{replay_id}-{uuid4().hex}",
        )
    except RedisError as error:
        log("redis-away", logging.WARNING, error=error)


def _work(connection: Connection, used: Resources, replay_id: int) -> bool:
    """Do the next part of a replay; return whether there may be more."""
    with connection.transaction():
        replay = lock_replay(connection, replay_id)
        if replay is None:
            return False
        if replay.is_new:
            begin(connection, replay)
        chosen = next_part(connection, replay, PART_MAX)
        if not chosen:
            finish(connection, replay_id, "done")
            return False
        context = load_context(connection, used.geo.country, Cause.REPLAY)
        part = _parse(connection, used, chosen)
        last = part[-1][0]
        with connection.transaction(force_rollback=replay.dry):
            if replay.dry:
                part = _parse(connection, used, _undone_before(connection, replay, part)) + part
            judgements = _process(connection, part, context)[-len(chosen) :]
        if replay.dry:
            judgements = _without_ids_undone(connection, judgements)
        save_judgements(connection, replay, judgements)
        save_progress(connection, replay, judgements, last)
    used.tally.add(replayed=len(judgements))
    return True


def _parse(connection: Connection, used: Resources, postback_ids: Sequence[UUID]) -> Part:
    """Return postbacks in the order in which they were received, each parsed by the present rules."""
    stored = load_postbacks(connection, postback_ids)
    rules = load_rules(connection, {each.merchant_id for each in stored})
    keys = used.click_id_keys
    return [(each, reparse(each, rules.get(each.merchant_id, rules[None]), keys)) for each in stored]


def _undone_before(connection: Connection, replay: Replay, part: Part) -> list[UUID]:
    """Return the postbacks that a dry replay changed and undid, about the same clicks or orders as a part."""
    return related_before(connection, replay, _claims(part), RELATED_MAX)


def _claims(part: Part) -> list[Claim]:
    """Return the claims of a part's postbacks, both as stored and as parsed now."""
    return [claim for stored, parsed in part for claim in (stored.claim, parsed.claim) if claim is not None]


def _process(connection: Connection, part: Part, context: Context) -> list[Judgement]:
    """Decide postbacks as they are parsed now; return how each was before and is after."""
    lock_claims(connection, _claims(part), context, [(stored.merchant_id, stored.nonce) for stored, _ in part])
    ids = [stored.postback_id for stored, _ in part]
    if load_postbacks(connection, ids, lock=True) != [stored for stored, _ in part]:
        raise StaleError("a postback was changed while its replay was reading it")
    before = load_snapshots(connection, ids)
    notes = {
        stored.postback_id: _process_one(connection, stored.postback_id, parsed, context) for stored, parsed in part
    }
    after = load_snapshots(connection, ids)
    changed = {each for each in ids if before[each] != after[each]}
    open_corrected(
        connection,
        [
            Corrected(parsed.claim, parsed.corrections, request_of(stored))
            for stored, parsed in part
            if parsed.claim is not None and parsed.corrections and stored.postback_id in changed
        ],
    )
    return [Judgement(each, before[each], after[each], notes[each]) for each in ids]


def _process_one(connection: Connection, postback_id: UUID, parsed: Reparsed, context: Context) -> str | None:
    # It is loaded again, since the decision on another postback about the same conversion may have changed it.
    (stored,) = load_postbacks(connection, [postback_id])
    try:
        with connection.transaction():
            note = reprocess(connection, stored, parsed, context)
    except psycopg.Error as error:
        if is_transient(error):
            raise
        log("postback-refused", logging.WARNING, postback=postback_id, error=error)
        note = f"PostgreSQL refused it: {error}"
    return None if note is None else note[:_NOTE_CHARACTERS_MAX]


def _without_ids_undone(connection: Connection, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return a dry replay's judgements without the ids of conversions that it made and undid."""
    ids = {each.after["conversion_id"] for each in judgements} - {None}
    kept = {
        str(row[0])
        for row in connection.execute(
            "select conversion_id from conversions where conversion_id = any(%s::uuid[])", [sorted(ids)]
        )
    }
    return [
        each if each.after["conversion_id"] in kept else each._replace(after={**each.after, "conversion_id": None})
        for each in judgements
    ]
