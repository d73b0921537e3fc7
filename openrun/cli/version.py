"""`openrun version`."""

import platform
import sys

from openrun.version import __version__


def version() -> None:
    """Print the version."""
    sys.stdout.write(f"openrun {__version__} (Python {platform.python_version()})\n")
