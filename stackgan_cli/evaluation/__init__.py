"""Evaluation: pictures drawn for captions, observed by an extractor, and measured beside real ones."""
