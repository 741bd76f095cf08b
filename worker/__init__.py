"""Everything slow: RQ workers that store what the edge recorded, and judge postbacks. One queue per process, always."""
