"""Flow definitions: documents read and written, checked, and compiled to programs."""
