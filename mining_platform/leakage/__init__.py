"""The leakage audit: whether the same information stands on two sides of a split, by ground, by name and by picture."""
