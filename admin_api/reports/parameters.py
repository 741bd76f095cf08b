"""The values of a statement, each under a name of its own. SECURITY: no value ever becomes a part of the SQL."""

from __future__ import annotations

from typing import Any


class Parameters:
    """Collects values while a statement is put together."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any, kind: str = "") -> str:
        """Return the placeholder of a value, with a cast to a type if there is one."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"%({name})s{'::' + kind if kind else ''}"
