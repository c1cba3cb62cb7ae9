"""STAC items (1.0 and 1.1, https://stacspec.org) as they are found, and their fields: time, outline, projection, sun, tile."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shapely import make_valid
from shapely.errors import GEOSException
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mining_platform import scene_collections
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.stac_metadata.declared_source import refuse, stac_collection


@dataclass(frozen=True)
class FoundItem:
    """An item as an API or a catalogue has it."""

    item: Mapping[str, Any]
    place_of: Callable[[str], str]
    """An asset's href -> the place that tables keep; raises for one that may not be read."""
    identity: Callable[[], bytes]
    """What changes where the item does."""


@dataclass(frozen=True)
class ItemFields:
    """An item whose mistakes are refused by its id."""

    region: Region
    year: int | None
    item: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Id of the item, or that it has none."""
        return str(self.item.get("id", "without id"))

    @property
    def sensor(self) -> str:
        """Sensor of the region's collection."""
        return scene_collections.COLLECTIONS[required_scenes(self.region).collection].sensor

    @property
    def level(self) -> str:
        """Processing level, where products of its kind have several: see scene_collections.LACKED_BANDS."""
        return str(self.get("landsat:correction") or "")

    def fail(self, problem: str, remedy: str) -> SourceError:
        """The error of a mistake in the item."""
        return refuse(self.region, self.year, f"item {self.id} {problem}", remedy)

    def get(self, *names: str) -> Any:
        """The first of the properties that the item has; None where it has none of them."""
        listed = self.item.get("properties")
        properties = listed if isinstance(listed, Mapping) else {}
        return next((properties[name] for name in names if properties.get(name) is not None), None)

    def needed(self, *names: str) -> Any:
        """As `get`; SourceError where it has none."""
        value = self.get(*names)
        if value is None:
            raise self.fail(f"lacks the property {' or '.join(names)}", "Add it to the item.")
        return value

    def number(self, *names: str) -> float:
        """As `needed`; SourceError for what is no finite number, without a leading `EPSG:`."""
        value = self.needed(*names)
        try:
            found = float(str(value).removeprefix("EPSG:"))
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self.fail(f"has {value!r} as {' or '.join(names)}, not a number", "Mend the item.")
        return found

    def optional_number(self, *names: str) -> float | None:
        """As `number`; None where it has none."""
        return None if self.get(*names) is None else self.number(*names)

    def sun_elevation_deg(self) -> float | None:
        """Above the horizon, by either sensor's properties; None where it is not told."""
        if self.get("view:sun_elevation") is not None:
            return self.number("view:sun_elevation")
        zenith_deg = self.optional_number("s2:mean_solar_zenith")
        return None if zenith_deg is None else 90.0 - zenith_deg

    def tile(self) -> str:
        """Tile as `Scene.tile` has it."""
        if self.get("landsat:wrs_path") is not None:
            return f"{int(self.number('landsat:wrs_path')):03}{int(self.number('landsat:wrs_row')):03}"
        return str(self.needed("s2:mgrs_tile", "grid:code")).removeprefix("MGRS-").removeprefix("WRS2-")

    def check_collection(self, provider: str) -> None:
        """SourceError for an item of another collection than the region's."""
        wanted, found = stac_collection(self.region, self.year, provider), self.item.get("collection")
        if found not in (wanted, None):
            raise self.fail(f"belongs to the collection {found}, not {wanted}", "Name that collection in the region file.")


def acquired_of_item(region: Region, item: Mapping[str, Any], year: int | None = None) -> datetime:
    """Time of acquisition, UTC: `datetime`, else the start of the span that a null datetime comes with."""
    fields = ItemFields(region, year, item)
    text = fields.needed("datetime", "start_datetime")
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise fields.fail(f"has the datetime {text!r}", "Write it as RFC 3339, UTC.") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def footprint_of_item(region: Region, item: Mapping[str, Any], year: int | None = None) -> BaseGeometry:
    """Outline of the item, EPSG:4326."""
    try:
        outline = shape(item["geometry"])
        outline = outline if outline.is_valid else make_valid(outline)
        problem = "it is empty" if outline.is_empty else None
    except (GEOSException, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        problem = str(error)
    if problem:
        raise ItemFields(region, year, item).fail(f"has no usable geometry ({problem})", "Add the footprint.")
    return outline


def epsg_of_item(region: Region, item: Mapping[str, Any], year: int | None = None) -> int:
    """EPSG code of the CRS of the item's rasters."""
    return int(ItemFields(region, year, item).number("proj:epsg", "proj:code"))
