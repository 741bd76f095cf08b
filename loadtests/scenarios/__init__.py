"""Locust scenarios. Only loadtests/locustfile.py imports them: Locust patches the standard library."""
