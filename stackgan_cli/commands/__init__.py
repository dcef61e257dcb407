"""One file per sub-command: its options, its help, one call; torch is imported by none of them at module level."""
