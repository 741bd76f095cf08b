"""`make faults`: kills, stops, floods and flushes a running stack under load, and accounts for every answered click."""
