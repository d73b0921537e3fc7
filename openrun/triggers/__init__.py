"""Listeners: what happens outside becomes a `RunRequest`. They know nothing of who runs it."""
