"""Memory of an edge process over millions of requests."""
