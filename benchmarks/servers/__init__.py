"""How many requests a second a server answers, beside other servers: ``python -m benchmarks.servers``."""
