"""Patches that others made, or that were published from here, read into patch stores and tables; one module a layout."""
