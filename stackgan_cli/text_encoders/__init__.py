"""Text encoders: captions to features."""
