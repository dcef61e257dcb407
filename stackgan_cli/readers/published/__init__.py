"""The folders of metadata that the published systems read."""
