"""Real user agents, a real access log, and MaxMind's test databases. They are not in the repository, but beside it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"there is no folder {REAL_DATA}")


def real_user_agents() -> list[str]:
    """Return the 4,000 user agents, latin-1 of bytes as the click record has them."""
    with gzip.open(REAL_DATA / "user_agents.txt.gz", "rt", encoding="latin-1", newline="\n") as file:
        return [line.rstrip("\n") for line in file]
