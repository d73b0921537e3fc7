"""What a flow is made of. A step is a leaf: it gets state and config, and returns what it came to.

A new one is a file with a config class and a step class in `execution/` or `triggers/`, and a line in
`catalog.py`; or a function with the `step` decorator of `function.py`.
"""
