"""Parsers of strangers' files, which run nothing and trust nothing."""
