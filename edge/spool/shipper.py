"""Ships the spools of a host: it sends extents as RQ jobs, frees the disk when they are confirmed, and sends again what
got lost.

Only a limited number of jobs of each stream is in Redis at once, so Redis stays small if the workers stop. The spool is
the buffer.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

import orjson
from redis import Redis
from rq import Queue

from config.configuration import PROGRESS_KEY, SPOOLS_KEY
from config.settings import EdgeSettings
from edge.spool.backlog import Backlog, Extent, SpoolReport
from edge.spool.batch_jobs import BatchJob
from edge.spool.recorder import spool_bytes
from edge.spool.segments import SegmentError
from edge.spool.settled import settle, settled_spools
from edge.spool.slots import spool_directories
from edge.spool.spool_counts import read_spool_counts
from tracking.runtime import POSTBACK_BATCH_RECORDS_MAX, STREAM_QUEUES, JobSerializer
from tracking.spool import decode_progress, stream_of

_log = logging.getLogger(__name__)
_JOB_TIMEOUT_S = 120
_FAILURE_TTL_S = 300
_REPORT_INTERVAL_S = 0.3
_LOOK_INTERVAL_S = 1.0
_SETTLE_INTERVAL_S = 10.0
# The time of a settled spool's report. It cannot change any more, so it is newer than all it may be compared with.
_FINAL_AT = 2.0**40
# RQ's key of a job's hash. Its `status` field tells whether a worker will still run the job.
_JOB_KEY = "rq:job:%s"
_DEAD_STATUSES = (None, b"failed", b"canceled", b"stopped")
# A job that failed is sent again at once, then after pauses that begin with this one and double up to AGENT_RETRY_S.
_PAUSE_FIRST_S = 1.0
_DOUBLINGS_MAX = 20
_UNREADABLE = "unreadable"


@dataclass(slots=True)
class _InFlight:
    """An extent that was sent and is not confirmed, with its present job. `trouble` is the problem last logged."""

    backlog: Backlog
    extent: Extent
    job_id: str = ""
    sent_at: float = 0.0
    looked_at: float = 0.0
    suspect: bool = False
    tries: int = 0
    trouble: str = ""


class Shipper:
    """Ships every spool of SPOOL_DIR. `step` does one round and returns whether there was anything to do."""

    def __init__(self, settings: EdgeSettings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._queues = {
            stream: (Queue(name, connection=redis, job_class=BatchJob, serializer=JobSerializer), task)
            for stream, (name, task) in STREAM_QUEUES.items()
        }
        self._backlogs: dict[str, Backlog] = {}
        self._sent: list[_InFlight] = []
        self._reports: dict[str, SpoolReport] = {}
        self._settled = _settled_reports(settings.spool_dir)
        self._scanned_at = 0.0
        self._reported_at = 0.0
        self._settled_at = -_SETTLE_INTERVAL_S

    def step(self) -> bool:
        """Scan, confirm, send again what got lost, send what is new, report. Raises RedisError while Redis is away."""
        self.scan()
        confirmed = self._confirm()
        self._resend_lost()
        sent = self._send()
        if monotonic() - self._reported_at >= _REPORT_INTERVAL_S:
            self._report()
        return bool(confirmed or sent)

    def scan(self) -> None:
        """Index what the edge processes wrote. It needs no network, so it goes on while Redis is away."""
        self._scanned_at = time()
        for directory in spool_directories(self._settings.spool_dir):
            backlog = self._backlogs.get(directory.name)
            if backlog is None:
                backlog = self._backlogs[directory.name] = Backlog(directory, self._batch_records(directory.name))
            self._reports[directory.name] = backlog.scan()

    def oldest_ms(self) -> dict[str, int | None]:
        """Return of each stream when its oldest record that is not confirmed was made, in Unix ms; None: all are."""
        found: dict[str, list[int]] = {stream: [] for stream in STREAM_QUEUES}
        for backlog in self._backlogs.values():
            waiting = [sent.extent for sent in self._sent if sent.backlog is backlog]
            at_ms = backlog.oldest_ms(waiting)
            if at_ms is not None:
                found[stream_of(backlog.spool_id)].append(at_ms)
        return {stream: min(moments, default=None) for stream, moments in found.items()}

    def _batch_records(self, spool_id: str) -> int:
        most = self._settings.agent_batch_records
        return most if stream_of(spool_id) == "clicks" else min(most, POSTBACK_BATCH_RECORDS_MAX)

    def _confirm(self) -> int:
        spool_ids = list(self._backlogs)
        if not spool_ids:
            return 0
        for spool_id, data in zip(spool_ids, self._redis.hmget(PROGRESS_KEY, spool_ids), strict=True):
            if isinstance(data, bytes):
                progress = decode_progress(data)
                # Progress never goes back, whether a worker publishes late or Redis was restored from an older copy.
                known = self._backlogs[spool_id].progress
                for first, end in ((0, known.done), *known.ahead):
                    progress = progress.add(first, end)
                self._backlogs[spool_id].confirm(progress)
        confirmed = [sent for sent in self._sent if _is_confirmed(sent)]
        for sent in confirmed:
            if sent.trouble:
                _log.warning("%s is stored, sent %d times", _name(sent), sent.tries)
        if confirmed:
            self._sent = [sent for sent in self._sent if not _is_confirmed(sent)]
        return len(confirmed)

    def _resend_lost(self) -> None:
        """Send extents again whose job is gone, has failed, or is overdue."""
        now = monotonic()
        due = [sent for sent in self._sent if now - sent.looked_at >= _LOOK_INTERVAL_S]
        if not due:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for sent in due:
            pipeline.hget(_JOB_KEY % sent.job_id, "status")
        for sent, status in zip(due, pipeline.execute(), strict=True):
            sent.looked_at = now
            overdue = now - sent.sent_at >= self._settings.agent_retry_s
            if status not in _DEAD_STATUSES and not overdue:
                continue
            if not sent.suspect and not overdue:
                # RACE: it may have finished after the confirmations were read. Then the next round confirms it.
                sent.suspect = True
            elif now - sent.sent_at >= self._pause_s(sent.tries):
                # If the extent could not be read, there was no job, and that is logged already.
                if status is not None or not sent.trouble.startswith(_UNREADABLE):
                    _log_trouble(sent, "overdue" if status not in _DEAD_STATUSES else (status or b"gone").decode())
                self._cancel(sent)
                self._enqueue(sent)

    def _pause_s(self, tries: int) -> float:
        """Return the seconds to wait before an extent is sent again that was sent `tries` times."""
        if tries < 2:
            return 0.0
        return min(_PAUSE_FIRST_S * 2.0 ** min(tries - 2, _DOUBLINGS_MAX), self._settings.agent_retry_s)

    def _cancel(self, sent: _InFlight) -> None:
        queue, _ = self._queues[stream_of(sent.backlog.spool_id)]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.lrem(queue.key, 1, sent.job_id)
        pipeline.delete(_JOB_KEY % sent.job_id)
        pipeline.execute()

    def _send(self) -> int:
        """Send as many extents as Redis may hold. The spools take turns, so that none waits until another is empty."""
        count = 0
        wait_s = self._settings.agent_batch_wait_ms / 1000
        # Each stream has a limit of its own, so that no postback waits behind a backlog of clicks.
        taken = Counter(stream_of(sent.backlog.spool_id) for sent in self._sent)
        progressing = True
        while progressing:
            progressing = False
            for backlog in list(self._backlogs.values()):
                stream = stream_of(backlog.spool_id)
                if taken[stream] >= self._settings.agent_outstanding_batches:
                    continue
                extent = backlog.take(wait_s)
                if extent is not None:
                    taken[stream] += 1
                    # This spool is last in turn now, also in the next step.
                    self._backlogs[backlog.spool_id] = self._backlogs.pop(backlog.spool_id)
                    # It is noted before it is sent. If Redis fails in between, it is sent again like any that got lost.
                    self._sent.append(sent := _InFlight(backlog, extent))
                    self._enqueue(sent)
                    count += 1
                    progressing = True
        return count

    def _enqueue(self, sent: _InFlight) -> None:
        queue, task = self._queues[stream_of(sent.backlog.spool_id)]
        sent.sent_at = sent.looked_at = monotonic()
        sent.job_id = f"{sent.backlog.spool_id}-{sent.extent.first}-{secrets.token_hex(4)}"
        sent.suspect = False
        sent.tries += 1
        try:
            batch = sent.backlog.read(sent.extent)
        except OSError as error:
            _log_trouble(sent, f"{_UNREADABLE}: {error}")
            return
        except SegmentError as error:
            # It was damaged after it was indexed. A new backlog finds the good records and declares the others missing.
            _log.error("%s: %s; reading this spool anew", _name(sent), error)
            self._forget(sent.backlog)
            return
        queue.enqueue_call(
            task.value,
            args=tuple(batch),
            job_id=sent.job_id,
            timeout=_JOB_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_S,
            description=sent.job_id,
        )

    def _forget(self, backlog: Backlog) -> None:
        """Drop a backlog and its extents in flight. They are sent again, and the database stores each record once."""
        self._backlogs.pop(backlog.spool_id, None)
        self._sent = [sent for sent in self._sent if sent.backlog is not backlog]

    def _report(self) -> None:
        size = spool_bytes(self._settings.spool_dir)
        reports: dict[Any, Any] = {
            spool_id: _encoded(report, size, self._scanned_at) for spool_id, report in self._reports.items()
        }
        if monotonic() - self._settled_at >= _SETTLE_INTERVAL_S:
            self._settle()
            # They are sent again and again, since Redis may be flushed.
            reports |= {spool_id: _encoded(report, 0, _FINAL_AT) for spool_id, report in self._settled.items()}
            self._settled_at = monotonic()
        if reports:
            self._redis.hset(SPOOLS_KEY, mapping=reports)
        self._reported_at = monotonic()

    def _settle(self) -> None:
        """Move the spools to `settled/` that need no more shipping."""
        busy = {sent.backlog.spool_id for sent in self._sent}
        for spool_id, backlog in list(self._backlogs.items()):
            # If the disk is too full to move a directory, the round goes on without it.
            with suppress(OSError):
                if spool_id not in busy and backlog.is_settled():
                    settle(backlog.directory)
                    self._settled[spool_id] = self._reports.pop(spool_id)
                    del self._backlogs[spool_id]


def _settled_reports(spool_dir: Path) -> dict[str, SpoolReport]:
    """Return the reports of the settled spools."""
    counted = {spool.name: read_spool_counts(spool) for spool in settled_spools(spool_dir)}
    return {
        spool_id: SpoolReport(counts.issued, counts.declared_lost, counts.numbers)
        for spool_id, counts in counted.items()
        if counts is not None
    }


def _encoded(report: SpoolReport, size_bytes: int, at: float) -> bytes:
    return orjson.dumps(report._asdict() | {"bytes": size_bytes, "at": at})


def _is_confirmed(sent: _InFlight) -> bool:
    return sent.backlog.progress.covers(sent.extent.first, sent.extent.stop)


def _name(sent: _InFlight) -> str:
    return f"records {sent.extent.first} to {sent.extent.stop} of {sent.backlog.spool_id}"


def _log_trouble(sent: _InFlight, state: str) -> None:
    """Log what is wrong with an extent, unless that is what was logged last."""
    if sent.trouble != state:
        sent.trouble = state
        _log.warning("%s: job %s is %s; sending again until they are stored", _name(sent), sent.job_id, state)
