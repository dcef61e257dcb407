"""The extension seam: protocols, registry, building, conformance; imports no torch."""
