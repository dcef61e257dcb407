"""Evaluation: extractors, metrics, protocols."""
