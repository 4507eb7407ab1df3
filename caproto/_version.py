"""The one place that states the version of the distribution."""

__version__ = "2.0.0.dev0"
