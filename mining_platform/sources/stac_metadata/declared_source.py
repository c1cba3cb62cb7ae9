"""What a region declares of its scenes, as services call it, and the error of its source."""

from mining_platform import scene_collections
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.protocol import SourceError, refusal
from mining_platform.sources.remote.network import without_query


def stac_collection(region: Region, year: int | None, provider: str) -> str:
    """What a provider calls the region's collection; SourceError where it does not serve it.

    Collections of layers beside the scenes have the names of their STAC collections.
    """
    if any(required_scenes(region).collection in known for known in scene_collections.COLLECTIONS_BESIDE.values()):
        return required_scenes(region).collection
    row = scene_collections.COLLECTIONS[required_scenes(region).collection]
    if provider not in row.stac:
        problem = f"the provider {provider} does not serve {row.id}"
        raise refuse(region, year, problem, f"Name one of: {', '.join(row.stac)}.")
    return row.stac[provider]


def refuse(region: Region, year: int | None, problem: str, remedy: str) -> SourceError:
    """The error of a region's scene source, which names its collection and place."""
    source = required_scenes(region)
    return refusal(
        region, year, f"{source.source} collection {source.collection} of {without_query(source.href)}", problem, remedy
    )
