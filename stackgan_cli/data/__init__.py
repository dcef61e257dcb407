"""Captioned pictures: reading, preparing, the prepared data, batches."""
