"""Traffic quality: the operator's lists, runs that class stored clicks anew, and clicks of a link by day and class."""

from __future__ import annotations

from admin_api.traffic.routes import traffic_routes

__all__ = ["traffic_routes"]
