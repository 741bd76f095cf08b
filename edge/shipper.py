"""Ships the spools of a host: extents become RQ jobs, confirmations free the disk, jobs that got lost are sent again.

At most so many jobs stand in Redis at once, so Redis stays small whatever happens behind it; the spool is the buffer.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

import orjson
from redis import Redis
from rq import Queue

from config.publication import PROGRESS_KEY, SPOOLS_KEY
from config.settings import EdgeSettings
from edge.backlog import Backlog, Extent, SpoolReport
from edge.recorder import spool_bytes
from edge.segments import SegmentError
from edge.slots import spool_directories
from tracking.queues import STREAM_QUEUES, JobSerializer
from tracking.spool_address import decode_progress, stream_of

_log = logging.getLogger(__name__)
_JOB_TIMEOUT_S = 120
_FAILURE_TTL_S = 300
_REPORT_INTERVAL_S = 0.3
_LOOK_INTERVAL_S = 1.0
# RQ's own key of a job's hash; its `status` field says whether anybody will still run it.
_JOB_KEY = "rq:job:%s"
_HOPELESS = (None, b"failed", b"canceled", b"stopped")


@dataclass(slots=True)
class _Sent:
    backlog: Backlog
    extent: Extent
    job_id: str
    sent_at: float
    looked_at: float
    suspect: bool = False


class Shipper:
    """Owns every spool of SPOOL_DIR. `step` does one round and returns whether it found work."""

    def __init__(self, settings: EdgeSettings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._queues = {
            stream: (Queue(name, connection=redis, serializer=JobSerializer), task)
            for stream, (name, task) in STREAM_QUEUES.items()
        }
        self._backlogs: dict[str, Backlog] = {}
        self._sent: list[_Sent] = []
        self._reports: dict[str, SpoolReport] = {}
        self._scanned_at = 0.0
        self._reported_at = 0.0

    def step(self) -> bool:
        """Scan, confirm, look after what is overdue, send, report. Raises RedisError when Redis is away."""
        self.scan()
        confirmed = self._confirm()
        self._look_after()
        sent = self._send()
        if monotonic() - self._reported_at >= _REPORT_INTERVAL_S:
            self._report()
        return bool(confirmed or sent)

    def scan(self) -> None:
        """Index what the edge processes wrote. Needs no network, so it goes on while Redis is away."""
        self._scanned_at = time()
        for directory in spool_directories(self._settings.spool_dir):
            backlog = self._backlogs.get(directory.name)
            if backlog is None:
                backlog = self._backlogs[directory.name] = Backlog(directory, self._settings.agent_batch_records)
            self._reports[directory.name] = backlog.scan()

    def _confirm(self) -> int:
        spool_ids = list(self._backlogs)
        if not spool_ids:
            return 0
        for spool_id, data in zip(spool_ids, self._redis.hmget(PROGRESS_KEY, spool_ids), strict=True):
            if isinstance(data, bytes):
                progress = decode_progress(data)
                # A worker that was slower to publish than to commit, or an older Redis, must not take anything back.
                known = self._backlogs[spool_id].progress
                for first, end in ((0, known.done), *known.ahead):
                    progress = progress.add(first, end)
                self._backlogs[spool_id].confirm(progress)
        before = len(self._sent)
        self._sent = [sent for sent in self._sent if not _is_confirmed(sent)]
        return before - len(self._sent)

    def _look_after(self) -> None:
        """Send again what nobody will run any more: its job is gone, has failed, or is overdue."""
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
            if status in _HOPELESS and not sent.suspect and not overdue:
                # It may have finished between the confirmation and this look; then the next round confirms it.
                sent.suspect = True
            elif status in _HOPELESS or overdue:
                _log.warning("job %s of %s is %s; sending again", sent.job_id, sent.backlog.spool_id, status or "gone")
                self._cancel(sent)
                self._enqueue(sent.backlog, sent.extent)
        self._sent = [sent for sent in self._sent if sent.job_id]

    def _cancel(self, sent: _Sent) -> None:
        queue, _ = self._queues[stream_of(sent.backlog.spool_id)]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.lrem(queue.key, 1, sent.job_id)
        pipeline.delete(_JOB_KEY % sent.job_id)
        pipeline.execute()
        sent.job_id = ""

    def _send(self) -> int:
        count = 0
        wait_s = self._settings.agent_batch_wait_ms / 1000
        progressing = True
        while progressing and len(self._sent) < self._settings.agent_outstanding_batches:
            progressing = False
            for backlog in self._backlogs.values():
                if len(self._sent) >= self._settings.agent_outstanding_batches:
                    break
                extent = backlog.take(wait_s)
                if extent is not None:
                    self._enqueue(backlog, extent)
                    count += 1
                    progressing = True
        return count

    def _enqueue(self, backlog: Backlog, extent: Extent) -> None:
        queue, task = self._queues[stream_of(backlog.spool_id)]
        now = monotonic()
        job_id = f"{backlog.spool_id}-{extent.first}-{secrets.token_hex(4)}"
        # Noted before it is sent: if Redis fails in between, the job is looked after like any that got lost.
        self._sent.append(_Sent(backlog, extent, job_id, now, now))
        try:
            batch = backlog.read(extent)
        except (OSError, SegmentError) as error:
            _log.error("spool %s: cannot read records %d to %d: %s", backlog.spool_id, extent.first, extent.stop, error)
            return
        queue.enqueue_call(
            task.value,
            args=tuple(batch),
            job_id=job_id,
            timeout=_JOB_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_S,
            description=job_id,
        )

    def _report(self) -> None:
        common = {"bytes": spool_bytes(self._settings.spool_dir), "at": self._scanned_at}
        reports: dict[Any, Any] = {
            spool_id: orjson.dumps(report._asdict() | common) for spool_id, report in self._reports.items()
        }
        if reports:
            self._redis.hset(SPOOLS_KEY, mapping=reports)
        self._reported_at = monotonic()


def _is_confirmed(sent: _Sent) -> bool:
    return sent.backlog.progress.covers(sent.extent.first, sent.extent.stop)
