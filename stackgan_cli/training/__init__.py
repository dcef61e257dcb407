"""Training: the loop, the adversarial update, losses, averaging, checkpoints."""
