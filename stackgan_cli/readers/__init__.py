"""Readers of captioned pictures: one folder for each family of layouts."""
