"""STAC items (1.0 and 1.1, https://stacspec.org) as scenes: bands by the provider's names, time, sun, and what pixels carry.

The offset of a Sentinel-2 item follows from its processing baseline, unless `earthsearch:boa_offset_applied` says that it
has been removed; offsets that the assets state must agree, so that it is neither forgotten nor applied twice. Only where
it has been removed may they still state it, as items of Earth Search do (github.com/Element84/earth-search, issue 9).
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shapely import make_valid
from shapely.errors import GEOSException
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mining_platform import bands, scene_collections
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.protocol import SourceError, refusal
from mining_platform.sources.remote.network import NetworkError, without_query

DN_PER_REFLECTANCE = 10_000  # unit of Scene.gain and Scene.offset_dn
LANDSAT_GAIN = bands.LANDSAT_SCALE * DN_PER_REFLECTANCE
LANDSAT_OFFSET_DN = round(bands.LANDSAT_OFFSET * DN_PER_REFLECTANCE)
_TOLERANCE = 1e-9  # scales and offsets are decimal fractions
_DATASTRIP_SENSED = re.compile(r"_S(\d{8}T\d{6})")
_DATATAKE = re.compile(r"GS2\w_\d{8}T\d{6}_\d{6}")  # without the baseline that follows
_CATEGORY, _PROVISIONAL = "landsat:collection_category", "RT"  # real time: replaced within weeks, see `archives.landsat`


@dataclass(frozen=True)
class FoundItem:
    """An item as an API or a catalogue has it."""

    item: Mapping[str, Any]
    place_of: Callable[[str], str]
    """An asset's href -> the place that tables keep; raises for one that may not be read."""
    identity: Callable[[], bytes]
    """What changes where the item does."""


@dataclass(frozen=True)
class ListedScene:
    """A scene as a listing finds it, with what tells it from others."""

    scene: Scene
    footprint: BaseGeometry
    """EPSG:4326."""
    acquisition: tuple[str, ...]
    """Equal for products that were made from the same measurements."""
    made: tuple[float, str, str]
    """Orders those products: the one made last is the greatest."""
    identity: bytes
    """What changes where the item does."""


def listed(region: Region, item: Mapping[str, Any], place_of: Callable[[str], str], identity: bytes, year: int) -> ListedScene:
    """An item as the listing of a region's source holds it; see `scene_of_item` for what raises."""
    scene = scene_of_item(region, item, place_of, required_scenes(region).provider, year)
    fields = _Item(region, year, item)
    made = (scene.baseline, str(fields.get("s2:generation_time", "created", "updated") or ""), scene.scene_id)
    return ListedScene(scene, footprint_of_item(region, item, year), _acquisition(fields, scene), made, identity)


def newest_products(found: list[ListedScene]) -> list[ListedScene]:
    """One product of each acquisition and one of each id, by id: the greatest baseline, then the latest making."""
    newest: dict[tuple[str, ...], ListedScene] = {}
    for row in found:
        if row.acquisition not in newest or row.made > newest[row.acquisition].made:
            newest[row.acquisition] = row
    by_id = {row.scene.scene_id: row for row in sorted(newest.values(), key=lambda row: row.made)}
    return [by_id[scene_id] for scene_id in sorted(by_id)]


def scene_of_item(
    region: Region, item: Mapping[str, Any], place_of: Callable[[str], str], provider: str, year: int | None = None
) -> Scene:
    """The scene of an item of the region's collection, under a provider's band names.

    `place_of` turns an asset's href into the place that `Scene.hrefs` keeps, and raises for one that may not be read.
    SourceError names the item and what it lacks: a band of the collection's profile, a needed property, a time, a footprint;
    and where the offset that its assets state is not the one that its baseline means.
    """
    fields = _Item(region, year, item)
    fields.check_collection(provider)
    assets = fields.assets(provider)
    baseline = fields.number("s2:processing_baseline") if fields.sensor == "sentinel-2" else 0.0
    gain, offset_dn = fields.radiometry(baseline, assets)
    acquired = acquired_of_item(region, item, year)
    return Scene(
        scene_id=fields.id,
        acquired=acquired,
        solar_day=solar_day(acquired, footprint_of_item(region, item, year).centroid.x),
        platform=str(fields.needed("platform")).lower().replace("_", "-"),
        tile=fields.tile(),
        cloud_pct=fields.number("eo:cloud_cover"),
        baseline=baseline,
        offset_dn=offset_dn,
        epsg=int(fields.number("proj:epsg", "proj:code")),
        simulated=bool(fields.get("simulated") or required_scenes(region).simulated),
        hrefs={band_id: fields.place(band_id, asset, place_of) for band_id, asset in assets.items()},
        sizes=_stated(assets, "file:size", int),
        checksums=_stated(assets, "file:checksum", str),
        gain=gain,
        sun_azimuth_deg=fields.optional_number("view:sun_azimuth", "s2:mean_solar_azimuth"),
        sun_elevation_deg=fields.sun_elevation_deg(),
    )


def acquired_of_item(region: Region, item: Mapping[str, Any], year: int | None = None) -> datetime:
    """Time of acquisition, UTC: `datetime`, else the start of the span that a null datetime comes with."""
    fields = _Item(region, year, item)
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
        raise _Item(region, year, item).fail(f"has no usable geometry ({problem})", "Add the footprint.")
    return outline


def epsg_of_item(region: Region, item: Mapping[str, Any], year: int | None = None) -> int:
    """EPSG code of the CRS of the item's rasters."""
    return int(_Item(region, year, item).number("proj:epsg", "proj:code"))


def places_of_item(
    region: Region, found: FoundItem, names: Mapping[str, str], year: int | None = None, *, optional: bool = False
) -> dict[str, str]:
    """Id of a channel -> place of its raster, of the channels' assets by name; SourceError where one is lacking, or all are."""
    fields, assets = _Item(region, year, found.item), found.item.get("assets")
    there = {name: asset for name, asset in assets.items() if isinstance(asset, Mapping)} if isinstance(assets, Mapping) else {}
    lacking = [name for name in names.values() if name not in there]
    if len(lacking) > (len(names) - 1 if optional else 0):
        problem = f"lacks the assets {', '.join(lacking)}; it has {', '.join(sorted(there)) or 'none'}"
        raise fields.fail(problem, "Name another place or collection in the region file.")
    return {each: fields.place(each, there[name], found.place_of) for each, name in names.items() if name in there}


def touches(region: Region, item: Mapping[str, Any], year: int) -> bool:
    """Whether an item was acquired in a calendar year (UTC), is there to stay and its footprint touches the outline."""
    if acquired_of_item(region, item, year).year != year or _Item(region, year, item).get(_CATEGORY) == _PROVISIONAL:
        return False
    return footprint_of_item(region, item, year).intersects(region.geometry)


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


def _acquisition(fields: "_Item", scene: Scene) -> tuple[str, ...]:
    """Platform, tile, datatake and datastrip, for a tile that two strips of a datatake share has a scene of each.

    Just the item's own id where those are not stated.
    """
    if fields.sensor == "landsat":
        return (scene.platform, scene.tile, scene.solar_day)
    datatake = _DATATAKE.match(str(fields.get("s2:datatake_id")))
    strip = _DATASTRIP_SENSED.search(str(fields.get("s2:datastrip_id")))
    return (scene.platform, scene.tile, datatake[0], strip[1]) if datatake and strip else (scene.scene_id,)


@dataclass(frozen=True)
class _Item:
    """An item whose mistakes are refused by its id."""

    region: Region
    year: int | None
    item: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.item.get("id", "without id"))

    @property
    def sensor(self) -> str:
        return scene_collections.COLLECTIONS[required_scenes(self.region).collection].sensor

    def fail(self, problem: str, remedy: str) -> SourceError:
        return refuse(self.region, self.year, f"item {self.id} {problem}", remedy)

    def get(self, *names: str) -> Any:
        listed = self.item.get("properties")
        properties = listed if isinstance(listed, Mapping) else {}
        return next((properties[name] for name in names if properties.get(name) is not None), None)

    def needed(self, *names: str) -> Any:
        value = self.get(*names)
        if value is None:
            raise self.fail(f"lacks the property {' or '.join(names)}", "Add it to the item.")
        return value

    def number(self, *names: str) -> float:
        value = self.needed(*names)
        try:
            found = float(str(value).removeprefix("EPSG:"))
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self.fail(f"has {value!r} as {' or '.join(names)}, not a number", "Mend the item.")
        return found

    def optional_number(self, *names: str) -> float | None:
        return None if self.get(*names) is None else self.number(*names)

    def sun_elevation_deg(self) -> float | None:
        if self.get("view:sun_elevation") is not None:
            return self.number("view:sun_elevation")
        zenith_deg = self.optional_number("s2:mean_solar_zenith")
        return None if zenith_deg is None else 90.0 - zenith_deg

    def tile(self) -> str:
        if self.get("landsat:wrs_path") is not None:
            return f"{int(self.number('landsat:wrs_path')):03}{int(self.number('landsat:wrs_row')):03}"
        return str(self.needed("s2:mgrs_tile", "grid:code")).removeprefix("MGRS-").removeprefix("WRS2-")

    def check_collection(self, provider: str) -> None:
        wanted, found = stac_collection(self.region, self.year, provider), self.item.get("collection")
        if found not in (wanted, None):
            raise self.fail(f"belongs to the collection {found}, not {wanted}", "Name that collection in the region file.")

    def assets(self, provider: str) -> dict[str, Mapping[str, Any]]:
        """The item's assets by id of band and layer; all bands of the collection's profile are there."""
        ids = [band_id for band_id in (*bands.BANDS, *bands.LAYERS) if self._of_sensor(band_id)]
        names = {band_id: bands.provider_names(band_id, provider) for band_id in ids}
        listed = self.item.get("assets")
        every = listed if isinstance(listed, Mapping) else {}
        found = {name: asset for name, asset in every.items() if isinstance(asset, Mapping)}
        missing = [band_id for band_id in required_scenes(self.region).channels if found.keys().isdisjoint(names[band_id])]
        if missing:
            wanted = ", ".join(f"{band_id} (asset {' or '.join(map(repr, names[band_id])) or None})" for band_id in missing)
            problem = f"lacks bands {wanted}; it has {', '.join(sorted(found)) or 'none'}"
            raise self.fail(problem, "Name the provider whose items these are, or add its names in mining_platform/bands.py.")
        return {band_id: found[name] for band_id, known in names.items() for name in reversed(known) if name in found}

    def _of_sensor(self, band_id: str) -> bool:
        return band_id in bands.LAYERS or bands.BANDS[band_id].sensor == self.sensor

    def place(self, band_id: str, asset: Mapping[str, Any], place_of: Callable[[str], str]) -> str:
        href = asset.get("href")
        try:
            if not isinstance(href, str) or not href:
                raise self.fail(f"has {href!r} as href of band {band_id}", "Mend the item.")
            return place_of(href)
        except NetworkError as error:
            raise self.fail(f"may not be read in band {band_id}: {error.problem}", error.remedy) from None

    def radiometry(self, baseline: float, assets: Mapping[str, Mapping[str, Any]]) -> tuple[float, int]:
        """Gain and offset of the scene (see Scene), which the assets must not contradict."""
        if self.sensor == "landsat":
            accepted = [(bands.LANDSAT_SCALE, bands.LANDSAT_OFFSET)]
            meaning = LANDSAT_GAIN, LANDSAT_OFFSET_DN
        else:
            carried = bands.S2_OFFSET_DN if baseline >= bands.S2_OFFSET_BASELINE else 0
            removed = bool(self.get("earthsearch:boa_offset_applied"))
            accepted = [(bands.S2_SCALE, dn * bands.S2_SCALE) for dn in ({carried, 0} if removed else {carried})]
            meaning = 1.0, 0 if removed else carried
        for row in (bands.BANDS[band_id] for band_id in assets if band_id in bands.BANDS):
            own = accepted if row.unit == "reflectance" else [(row.scale, row.offset)]
            self._check_stated(row.id, assets[row.id], own, baseline)
        return meaning

    def _check_stated(self, band_id: str, asset: Mapping[str, Any], accepted: list[tuple[float, float]], baseline: float) -> None:
        stated = _stated_scale_and_offset(asset)
        if stated is None or any(_equal(stated, pair) for pair in accepted):
            return
        meant = " or ".join(f"{scale:g} and {offset:g}" for scale, offset in sorted(accepted))
        by = f"its baseline {baseline:05.2f} means" if self.sensor == "sentinel-2" else "Landsat Collection 2 has"
        problem = f"states scale {stated[0]:g} and offset {stated[1]:g} for band {band_id}, where {by} {meant}"
        raise self.fail(problem, "Mend the item: with the wrong one of the two, reflectance is off by 0.1.")


def _stated(assets: Mapping[str, Mapping[str, Any]], name: str, kind: type) -> dict[str, Any]:
    """Id -> what its asset states under a name, where it states it as it should."""
    return {band_id: asset[name] for band_id, asset in assets.items() if isinstance(asset.get(name), kind)}


def _stated_scale_and_offset(asset: Mapping[str, Any]) -> tuple[float, float] | None:
    """What an asset says about itself: `raster:bands` of STAC 1.0, `bands` or fields of its own in 1.1; None if nothing."""
    for rows in (asset.get("raster:bands"), asset.get("bands"), [asset]):
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else {}
        scale, offset = row.get("raster:scale", row.get("scale")), row.get("raster:offset", row.get("offset"))
        if isinstance(scale, int | float):
            return float(scale), float(offset) if isinstance(offset, int | float) else 0.0
    return None


def _equal(left: tuple[float, float], right: tuple[float, float]) -> bool:
    return all(abs(a - b) < _TOLERANCE for a, b in zip(left, right, strict=True))
