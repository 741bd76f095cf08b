"""Runs programs side by side: checks before the start, supervises them, and ends what a killed supervisor left."""

from __future__ import annotations

from config.supervision import preflight
from config.supervision.leftovers import RunRecord, end_leftovers
from config.supervision.process_table import identity
from config.supervision.supervisor import SERVERS, Program, StopRequested, Supervisor

__all__ = ["SERVERS", "Program", "RunRecord", "StopRequested", "Supervisor", "end_leftovers", "identity", "preflight"]
