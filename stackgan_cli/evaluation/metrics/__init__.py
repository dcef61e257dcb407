"""Metrics: one a file, each a component that turns observed pictures into a number."""
