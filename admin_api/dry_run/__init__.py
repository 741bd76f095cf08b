"""Dry runs: what a draft of rules would change about clicks that are stored."""

from __future__ import annotations

from admin_api.dry_run.resource import dry_run_routes

__all__ = ["dry_run_routes"]
