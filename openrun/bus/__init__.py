"""The event bus: CloudEvents, and what carries them from those who publish to those who listen."""
