"""The folder that a model is: its manifest, its card, what is found and fetched by a name."""
