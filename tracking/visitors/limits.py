"""How much of a header is looked at. Pure."""

from __future__ import annotations

# SECURITY: a server takes headers of 64 KB, which would cost a millisecond each and fill the memory. The longest of
# 4,000 real user agents has 369 characters, and those of apps with lists of facts stay below this.
HEADER_CHARACTERS_MAX = 1024
