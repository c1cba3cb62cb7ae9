"""Models: the table of architectures, the architectures, and trained classifiers on disk."""
