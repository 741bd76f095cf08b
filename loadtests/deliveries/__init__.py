"""What an outage of one partner costs the others: deliveries at a steady rate, with and without a dead partner."""
