"""A trained model that draws flowers; ``stackgan`` finds its folder without importing this."""
