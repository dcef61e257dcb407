"""Pictures of sentences: several at once, on the way from one to another, each the same to the last bit."""
