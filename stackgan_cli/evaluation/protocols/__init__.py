"""What published numbers depended on, one TOML file for each, so that a number is set beside them where it may be."""
