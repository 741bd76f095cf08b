"""The words every Waypost process speaks: pure code, no I/O, no imports from the other packages."""
