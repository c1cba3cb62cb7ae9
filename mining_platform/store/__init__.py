"""How published versions lie on disk: names, digests, durable writes, leases. `artifacts.py` is the one door to it."""
