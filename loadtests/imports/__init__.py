"""What it costs to read 100,000 links as an import sends them, with pydantic and with msgspec."""
