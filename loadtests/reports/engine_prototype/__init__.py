"""A prototype of reports from exported partitions, read by an analytical engine; docs/adr/0010 draws the conclusions.

Not part of the product, and in no wheel. It needs DuckDB: `pip install --group bench`.
"""
