"""The demo: real traffic and postbacks against a running stack, and the proof that nothing of it was lost."""
