"""Everything slow: RQ workers that store what the edge recorded and decide postbacks. One queue a process, always."""
