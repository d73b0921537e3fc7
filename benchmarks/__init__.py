"""Speed as ratios taken in one run, beside the ceiling they are measured against. Not part of the tests."""
