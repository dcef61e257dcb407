"""Birds drawn from known attributes, with captions that are true of them: data that needs no download."""
