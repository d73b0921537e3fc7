"""Where runs are kept: one small protocol, and the stores that speak it."""
