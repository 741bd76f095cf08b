"""Outgoing postbacks: plans, sends and records their deliveries."""

from __future__ import annotations

from worker.outgoing.client import OutgoingClient
from worker.outgoing.dispatcher import Dispatcher
from worker.outgoing.planning import plan_deliveries
from worker.outgoing.task import send_due, wake_dispatchers

__all__ = ["Dispatcher", "OutgoingClient", "plan_deliveries", "send_due", "wake_dispatchers"]
