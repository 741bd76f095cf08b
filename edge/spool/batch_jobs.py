"""The jobs an agent writes: RQ's, but not compressed. A worker's RQ reads both, as does every release before."""

from __future__ import annotations

from typing import Any

from rq.job import Job


class BatchJob(Job):
    """A job whose payload stands in Redis as it is.

    PERF: to compress was 30 % of the agent's time while it drained a backlog. Uncompressed, all of
    AGENT_OUTSTANDING_BATCHES are 45 MB in Redis with the defaults and clicks of 500 bytes, and 70 MB with any.
    """

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """Return the fields of the job's hash."""
        data, self._data = self.data, b""
        try:
            fields = super().to_dict(include_meta, include_result)
        finally:
            self._data = data
        fields["data"] = data
        return fields
