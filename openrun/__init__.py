"""OpenRun: a flow engine."""
__version__ = "0.1.0"
