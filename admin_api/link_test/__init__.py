"""Tests of links and profiles: a test click is followed through its whole chain, and each hop is shown."""

from __future__ import annotations

from admin_api.link_test.chain import LinkTester
from admin_api.link_test.requests import OwnEdge, Web
from admin_api.link_test.resource import link_test_routes

__all__ = ["LinkTester", "OwnEdge", "Web", "link_test_routes"]
