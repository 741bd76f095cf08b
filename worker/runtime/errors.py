"""The ways in which a task fails: for good, for now, or because of one record of its batch."""

from __future__ import annotations

from tracking.runtime import WaypostError

FORGED_CLICK_ID = "forged-click-id"


class WorkerError(WaypostError):
    """A task could not do its job."""

    code = "worker-error"


class PermanentError(WorkerError):
    """The job can never succeed: it is not one of our tasks, or it has arguments that no agent writes."""

    code = "permanent"


class RetryableError(WorkerError):
    """The job is right but could not be done now; the process that enqueued it enqueues it again."""

    code = "retryable"


class KeysDifferError(RetryableError):
    """No id of a whole batch was made with this worker's CLICK_ID_KEYS, so the setting is wrong and not the ids.

    Setting the clicks aside as forged would lose them all, so the batch waits until edge and worker agree.
    """

    code = "keys-differ"


class StaleError(RetryableError):
    """Another process changed something that the transaction relied on (a partition, a conversion): run it again."""

    code = "stale"


class PoisonError(WorkerError):
    """One record is not what it claims to be and cannot be stored; the rest of its batch is. `code` is the reason."""

    code = "bad-record"

    @property
    def reason(self) -> str:
        """The reason that is stored in poison_records beside the payload."""
        return f"{self.code}: {self.message}"
