"""What many viewers of the live stream cost, and how late events reach them."""
