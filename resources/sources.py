"""Where land-cover maps and scenes come from: the router, which picks each region's own source."""

from mining_platform.sources import router
from mining_platform.sources.protocol import LandCoverSource, SceneSource


def land_covers() -> LandCoverSource:
    """Land-cover maps of every region."""
    return router


def scenes() -> SceneSource:
    """Satellite scenes of every region."""
    return router
