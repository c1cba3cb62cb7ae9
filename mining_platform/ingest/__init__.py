"""Stacks of bands that somebody has, as scenes of a local archive."""
