"""`python -m tests.hostile_table` prints the table of docs/deployment.md: which hostile requests each server refuses by
itself, and which of them a shipped proxy keeps from it. Requests with the same fate everywhere share a row.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

from bare_edge import SERVERS
from hostile_corpus import CORPUS
from hostile_places import NOTHING, PROXIES, running_place

_SIGNS = {"refused": "✓", "through": "passes", "dies": "dies"}


def main() -> None:
    """Send the corpus everywhere and print the rows, in the order of the corpus."""
    fates: dict[str, list[str]] = {name: [] for name in CORPUS}
    columns = [(server, behind) for server in SERVERS for behind in (NOTHING, *PROXIES)]
    for server, behind in columns:
        with tempfile.TemporaryDirectory(prefix="waypost-hostile-") as directory:
            home = Path(directory)
            # nginx, started as root, reads as another user.
            home.chmod(0o755)
            with running_place(server, behind, home) as place:
                for name, fate in fates.items():
                    fate.append(place.verdict(name))
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, fate in fates.items():
        rows.setdefault(tuple(_SIGNS.get(verdict, verdict) for verdict in fate), []).append(name)
    heads = [server if behind == NOTHING else f"{server}, {behind}" for server, behind in columns]
    for cells in (["request", *heads], ["---"] * (len(heads) + 1)):
        _print(cells)
    for signs, names in rows.items():
        _print([", ".join(f"`{name}`" for name in names), *signs])


def _print(cells: list[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as absent:
        sys.exit(str(absent))
