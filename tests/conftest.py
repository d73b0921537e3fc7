"""Settings of all tests."""

import os

from hypothesis import settings

pytest_plugins = ["tests.servers.postgres", "tests.servers.redis"]

# No deadline: a slow machine is no failure. In CI the same examples are drawn every time.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
