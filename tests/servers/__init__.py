"""Real servers that tests, benchmarks and the chaos command start for themselves."""
