"""Published layouts of a dataset: one module a layout, made from the manifest and the stores it names."""
