"""Honest evaluation: scores with intervals, baselines beside them, comparisons on the same patches, areas with uncertainty."""
