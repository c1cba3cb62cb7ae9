"""Scenes in folders on disk, by their official names."""
