"""Checks of a tracking domain: what the DNS has for it, what it should have, and the certificate that answers there."""

from __future__ import annotations

from admin_api.domain_check.check import DomainChecker
from admin_api.domain_check.resource import domain_check_routes

__all__ = ["DomainChecker", "domain_check_routes"]
