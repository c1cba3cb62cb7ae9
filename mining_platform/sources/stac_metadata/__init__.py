"""STAC items, where they come from, and what they say."""
