"""The installation as one domain object: regions, artifacts, sources, workers and limits."""

from collections.abc import Mapping

from mining_platform.experiment_trials import trial_of_environment
from mining_platform.homes import platform_home
from mining_platform.pipeline import Platform
from mining_platform.regions import Region
from resources.compute import compute
from resources.sources import land_covers, scenes
from resources.storage import artifact_store


def platform(regions: Mapping[str, Region]) -> Platform:
    """The installation named by the environment, over these regions."""
    return Platform(
        platform_home(),
        regions,
        artifact_store(),
        land_covers(),
        scenes(),
        trial=trial_of_environment(),
        compute=compute(),
    )
