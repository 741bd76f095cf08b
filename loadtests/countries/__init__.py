"""Compares packages that know the countries of addresses without a database of the operator's."""
