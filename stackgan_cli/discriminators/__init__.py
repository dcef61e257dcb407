"""Discriminators: pictures beside texts, one network per file."""
