"""Prepared data as training reads them: manifest, pictures, text features, batches, shards."""
