"""How a task fails: for good, for now, or over one record of its batch."""

from __future__ import annotations

from tracking.runtime import WaypostError

FORGED_CLICK_ID = "forged-click-id"


class WorkerError(WaypostError):
    """A task could not do what its job says."""

    code = "worker-error"


class PermanentError(WorkerError):
    """The job is wrong and will be wrong again: not one of our tasks, or arguments that no agent writes."""

    code = "permanent"


class RetryableError(WorkerError):
    """The job is right and could not be done now; whoever enqueued it enqueues it again."""

    code = "retryable"


class KeysDifferError(RetryableError):
    """Not one id of a whole batch was made with this worker's CLICK_ID_KEYS: it is the setting that is wrong, not the
    ids.

    Setting the clicks aside as forged would lose them all, so the batch waits until edge and worker agree.
    """

    code = "keys-differ"


class StaleError(RetryableError):
    """What a transaction relied on has changed beside it (a partition, a conversion): run it again from the start."""

    code = "stale"


class PoisonError(WorkerError):
    """One record cannot be stored as what it claims to be. `code` is its reason; the rest of the batch is stored."""

    code = "bad-record"

    @property
    def reason(self) -> str:
        """What poison_records keeps beside the payload."""
        return f"{self.code}: {self.message}"
