"""What every resource of the edge shares: requests and responses, client addresses, outcomes, problem bodies."""

from __future__ import annotations

from edge.http.addresses import client_address, host_name, normalize_host
from edge.http.messages import EdgeRequest, EdgeResponse
from edge.http.outcomes import GEO_INDEX, NEXT_HOP_INDEX, OUTCOME_INDEX, ROUTING_INDEX, Outcome
from edge.http.problems import serialize_error, set_problem

__all__ = [
    "GEO_INDEX",
    "NEXT_HOP_INDEX",
    "OUTCOME_INDEX",
    "ROUTING_INDEX",
    "EdgeRequest",
    "EdgeResponse",
    "Outcome",
    "client_address",
    "host_name",
    "normalize_host",
    "serialize_error",
    "set_problem",
]
