"""The configuration of all processes: settings, the published profiles and links, and servers and their supervision."""
