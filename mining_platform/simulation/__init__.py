"""A made-up archive in real formats: MapBiomas-like maps and a static STAC catalogue of Sentinel-2 L2A scenes.

It is not a source: it writes files which the ordinary sources read like real data, and marks all of them SIMULATED.
"""
