"""Running programs side by side: checks before the start, the supervisor, and what a killed one left behind."""

from __future__ import annotations

from config.supervision import preflight
from config.supervision.leftovers import RunRecord, end_leftovers
from config.supervision.process_table import identity
from config.supervision.supervisor import SERVERS, Program, StopRequested, Supervisor

__all__ = ["SERVERS", "Program", "RunRecord", "StopRequested", "Supervisor", "end_leftovers", "identity", "preflight"]
