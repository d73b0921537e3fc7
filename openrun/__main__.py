"""`python -m openrun` is the command `openrun`."""

from openrun.cli import main

if __name__ == "__main__":
    main()
