"""Clients under load, beside those of others: ``python -m benchmarks.clients``."""
