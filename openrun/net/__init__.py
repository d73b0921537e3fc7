"""Requests to the outside: a guarded HTTP client that knows nothing of steps, flows or runs."""
