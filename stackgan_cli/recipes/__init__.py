"""Recipes: TOML files, and the settings that they may hold."""
