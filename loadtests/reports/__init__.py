"""Measures reports on a data set of the size of 100 million clicks, which is written straight into the tables."""
