"""How many clicks a second come from the edge's disk into PostgreSQL: steady load, real requests, and a backlog."""
