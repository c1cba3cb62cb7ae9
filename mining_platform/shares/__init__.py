"""Class areas in windows, block by block: what `proportions.py` is made of."""
