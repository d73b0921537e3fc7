"""Keeping house over a store: checking it, mending what is derived, removing what is old, copying it."""
