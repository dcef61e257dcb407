"""What ``generate`` is asked for, and the files that come of it."""
