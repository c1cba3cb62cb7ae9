"""STAC APIs (https://api.stacspec.org, item search): Earth Search, the Planetary Computer and others like them."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pystac import STACError, STACTypeError
from pystac.link import Link
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning
from shapely import get_num_coordinates
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mining_platform.regions import NO_CLOUD_LIMIT, Region, expand, required_scenes
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import TIMEOUT_S, NetworkError, checked_url, session, without_query
from mining_platform.sources.remote.signing import unsigned
from mining_platform.sources.stac_metadata.declared_source import refuse, stac_collection
from mining_platform.sources.stac_metadata.item_fields import FoundItem
from mining_platform.sources.stac_metadata.items import ListedScene, listed, touches

PAGE_ITEMS = 100
MAX_STALE_PAGES = 3
"""So many pages in a row without a new item are a service that goes round in a circle."""
MAX_ITEMS = 100_000
"""More than any region has in a year: a tile has some 150 scenes, and the whole of Brazil some 1,000 tiles."""
MAX_VERTICES = 200
"""More than this make a request that services refuse; a simpler outline around it is asked for, and the true one kept to."""
_NO_API = (
    *(ValueError, RecursionError, KeyError, TypeError, AttributeError, NotImplementedError),
    *(PystacClientWarning, ClientTypeError, STACError, STACTypeError),
)
"""What pystac-client raises over answers that are no STAC API's."""
_ANY_YEARS = 1972, 2100  # since Landsat 1
_ERROR_CHARACTERS = 300  # of an answer that may be a whole page


def found_scenes(region: Region, year: int) -> Iterator[ListedScene]:
    """Scenes of the region's collection in the calendar year (UTC) that touch the outline, in no order.

    Items that the service returns beside those are left out. SourceError where the API may not be reached, does not answer
    or answers nonsense, for an item that is no scene of the collection, and for an asset that may not be read.
    """
    for found in found_items(region, year):
        if touches(region, found.item, year):
            yield listed(region, found.item, found.place_of, found.identity(), year)


def found_items(region: Region, year: int | None) -> Iterator[FoundItem]:
    """Items of the region's collection as the service gives them, of a year or of any time; SourceError as `found_scenes`."""
    for item in _items(region, year):
        yield FoundItem(item, _place, partial(_identity, item))


def remedy(region: Region) -> str:  # noqa: ARG001 - the same for every region
    """What to do about a scene that a service lists and does not give."""
    return "Run it again; if it stays, list the scenes again or name another provider."


def search_outline(geometry: BaseGeometry) -> BaseGeometry:
    """The outline itself, or one of fewer vertices that covers it."""
    for outline in (geometry, geometry.convex_hull):
        if get_num_coordinates(outline) <= MAX_VERTICES:
            return outline
    return geometry.envelope


class _GuardedIO(StacApiIO):
    """pystac-client's requests through the checked session; addresses that are none are not opened as files."""

    def __init__(self) -> None:
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self.session = session()

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        checked_url(source.href if isinstance(source, Link) else str(source))
        return super().read_text(source, *args, **kwargs)


def _items(region: Region, year: int | None) -> Iterator[dict[str, Any]]:
    """Items that the API finds, page by page, each id once; SourceError where it does not answer well or does not end."""
    seen: set[str] = set()
    stale_pages = 0
    try:
        for page in _pages(region, year):
            items = {str(item["id"]): item for item in page["features"] if str(item["id"]) not in seen}
            seen |= items.keys()
            stale_pages = 0 if items else stale_pages + 1
            if stale_pages == MAX_STALE_PAGES:
                raise refuse(region, year, "the API gives the same items again and again", "Tell its operators.")
            if len(seen) > MAX_ITEMS:
                raise refuse(region, year, f"the API gives more than {MAX_ITEMS} items", "Cut the region into smaller ones.")
            yield from items.values()
    except SourceError:
        raise
    except (NetworkError, APIError, *_NO_API) as error:
        raise refuse(region, year, *_problem_and_remedy(error)) from None


def _problem_and_remedy(error: Exception) -> tuple[str, str]:
    cause = error.__context__ if isinstance(error, APIError) else error  # pystac-client wraps whatever a request raises
    if isinstance(cause, NetworkError):
        return cause.problem, cause.remedy
    told = without_query(" ".join(str(error).split()))[:_ERROR_CHARACTERS]
    if isinstance(error, APIError):
        status = f"HTTP {error.status_code}: " if getattr(error, "status_code", None) else ""
        return f"the API does not answer ({status}{told})", "Run it again later."
    return f"the place is no STAC API with item search ({type(error).__name__}: {told})", "Mend href in the region file."


def _pages(region: Region, year: int | None) -> Iterator[Mapping[str, Any]]:
    source = required_scenes(region)
    search = Client.open(expand(source.href), stac_io=_GuardedIO()).search(
        collections=[stac_collection(region, year, source.provider)],
        intersects=mapping(search_outline(region.geometry)),
        datetime=_span(year),
        query=None if source.max_cloud_pct == NO_CLOUD_LIMIT else {"eo:cloud_cover": {"lte": source.max_cloud_pct}},
        limit=PAGE_ITEMS,
    )
    return search.pages_as_dicts()


def _span(year: int | None) -> str:
    first, last = (year, year + 1) if year is not None else _ANY_YEARS
    return f"{first}-01-01T00:00:00Z/{last}-01-01T00:00:00Z"


def _place(href: str) -> str:
    return unsigned(checked_url(href))


def _identity(item: Mapping[str, Any]) -> bytes:
    """What changes with an item: when it was made or changed, and where its rasters lie."""
    properties = item["properties"]
    told = [properties.get(name) for name in ("updated", "created", "s2:generation_time", "s2:processing_baseline")]
    assets = {name: unsigned(str(asset.get("href"))) for name, asset in item["assets"].items() if isinstance(asset, dict)}
    return json.dumps([item["id"], told, assets], sort_keys=True).encode()
