"""Generators: noise and text to pictures, one network per file."""
