"""A made-up archive in real formats: MapBiomas-like maps, Sentinel-2 L2A scenes, and on request all that lies beside them.

It is not a source: it writes files which the ordinary sources read like real data, and marks all of them SIMULATED.
"""
