"""From a source of captioned pictures to prepared data."""
