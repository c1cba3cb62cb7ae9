"""What people decide about the windows of a dataset: an append-only table, what it changes, and a page to look and decide on."""
