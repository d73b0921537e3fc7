"""The chaos command: kills the processes of a store for a while, and checks the promise at the end."""
