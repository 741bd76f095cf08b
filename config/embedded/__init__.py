"""PostgreSQL and Valkey of one machine: the programs in two wheels, run as ordinary processes of ours.

The wheels' own Python code is never imported: run as root, it was seen to chmod every parent of its data directory.
"""

from __future__ import annotations

from config.embedded import postgres, valkey
from config.embedded.postgres import EmbeddedPostgres, embedded_postgres, lies_elsewhere
from config.embedded.valkey import EmbeddedValkey, embedded_valkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "embedded_postgres",
    "embedded_valkey",
    "lies_elsewhere",
    "postgres",
    "valkey",
]
