"""Extracts of OpenStreetMap in their several formats, each read in batches of features."""
