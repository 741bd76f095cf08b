"""Tests of links and profiles: a test click is followed through its whole chain, and each hop is shown."""

from __future__ import annotations

from admin_api.link_test.chain import LinkTester
from admin_api.link_test.objects import Hop, HopTls
from admin_api.link_test.requests import OwnEdge, Web, ask
from admin_api.link_test.resource import link_test_routes

__all__ = ["Hop", "HopTls", "LinkTester", "OwnEdge", "Web", "ask", "link_test_routes"]
