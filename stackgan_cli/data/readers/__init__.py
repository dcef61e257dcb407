"""Readers: one file for each layout of captioned pictures."""
