"""Feature extractors: networks whose features metrics compare."""
