"""Files and services of the network: what may be reached, and how it is read."""
