"""Models: the table of architectures, the architectures, and trained classifiers on disk."""

import os

# Read when torch is loaded: threads that wait for each other sleep instead of spinning, which on a busy machine costs
# several times the work itself. Results are the same.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
