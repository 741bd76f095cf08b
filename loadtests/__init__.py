"""Load on a running stack: the demo, and benchmarks. Speaks to it over HTTP only, as any client would."""
