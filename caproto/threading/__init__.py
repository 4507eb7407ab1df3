"""A client for programs with threads."""
