"""The framework that IOCs are written in."""
