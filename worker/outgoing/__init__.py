"""Plans, sends and records outgoing postbacks."""

from __future__ import annotations

from worker.outgoing.client import OutgoingClient
from worker.outgoing.dispatcher import Dispatcher
from worker.outgoing.planning import plan_deliveries
from worker.outgoing.task import ring, send_due

__all__ = ["Dispatcher", "OutgoingClient", "plan_deliveries", "ring", "send_due"]
