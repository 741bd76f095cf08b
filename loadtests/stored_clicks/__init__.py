"""What is done with stored clicks, timed: settling their classes, and dry runs of draft rules."""
