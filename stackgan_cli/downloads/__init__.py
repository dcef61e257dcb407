"""Fetching what has a public address: where it lies, whole files, archives unpacked."""
