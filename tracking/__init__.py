"""The domain that all Waypost processes share: pure code that does no I/O and imports no other package of ours."""
