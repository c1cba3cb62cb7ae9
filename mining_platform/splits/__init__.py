"""Which side of a split each patch is on, decided by ground, site, region or time, whole groups at a time."""
