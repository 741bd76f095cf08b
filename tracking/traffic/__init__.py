"""Classes of traffic: which requests are clicks that count, by the request, its agent and its address. Pure."""

from __future__ import annotations

from tracking.traffic.bots import is_declared_bot, patterns_version, prepare_bots
from tracking.traffic.classes import TrafficClass, class_of_request
from tracking.traffic.limits import MINUTE_MS, TrafficLimits
from tracking.traffic.lists import TrafficLists, class_of_facts

__all__ = [
    "MINUTE_MS",
    "TrafficClass",
    "TrafficLimits",
    "TrafficLists",
    "class_of_facts",
    "class_of_request",
    "is_declared_bot",
    "patterns_version",
    "prepare_bots",
]
