"""Folders of one's own pictures."""
