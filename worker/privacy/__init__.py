"""What is stored of visitors: their addresses as each profile says, and nothing of those who were erased."""

from __future__ import annotations

from worker.privacy.erasing import erase_waiting
from worker.privacy.late import LateErasures, find_late
from worker.privacy.rules import load_privacy_rules

__all__ = ["LateErasures", "erase_waiting", "find_late", "load_privacy_rules"]
