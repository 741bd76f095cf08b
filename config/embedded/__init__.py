"""PostgreSQL and Valkey for one machine: the servers come in two wheels and run as ordinary processes of ours.

The wheels' own Python code is never imported: when run as root, it changed the mode of every parent of its data.
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
