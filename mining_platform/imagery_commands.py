"""Commands on imagery that need neither Dagster nor an installation: mosaics, cloud probabilities, ingest."""

import shutil
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer

from mining_platform import mosaic_arrays, mosaic_exports, mosaics, region_files, region_options, regions, scene_collections
from mining_platform.clouds.sun import sun_position
from mining_platform.compositing.recipes import RECIPES, mosaic_recipe
from mining_platform.consoles import CommandError, console, progress_bar
from mining_platform.raster_files import opened_raster_file

COG_SUFFIXES = (".tif", ".tiff")


def mosaic(  # noqa: PLR0913 - the options of a command
    out: Annotated[Path, typer.Argument(help="Folder to write mosaic.zarr into, or a .tif for a Cloud Optimized GeoTIFF.")],
    year: Annotated[int, typer.Option(help="Calendar year of the scenes.")],
    region_id: Annotated[str, typer.Option("--region", help="A region of the region file.")] = "",
    bounds: Annotated[str, typer.Option(help="Instead: west,south,east,north in degrees.")] = "",
    epsg: Annotated[int | None, typer.Option(help="CRS for --bounds; default the UTM zone.")] = None,
    source: Annotated[str, typer.Option(help=f"One of {', '.join(regions.SCENE_SOURCES)}; default the region's.")] = "",
    place: Annotated[str, typer.Option(help="STAC API, catalog.json or folder; default the source's usual place.")] = "",
    collection: Annotated[str, typer.Option(help=f"One of {', '.join(scene_collections.COLLECTIONS)}.")] = "",
    provider: Annotated[str, typer.Option(help=f"For stac: one of {', '.join(regions.STAC_APIS)}.")] = "",
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(RECIPES)}; default the collection's.")] = "",
    profile: Annotated[str, typer.Option(help="Channels, such as landsat-7 with temperature; default the collection's.")] = "",
) -> None:
    """Compose a cloud-free mosaic of a year, without Dagster; an interrupted one goes on where it was."""
    given = {"source": source, "href": place, "collection": collection, "provider": provider}
    given |= {"recipe": recipe, "profile": profile}
    region = _region(region_id, bounds, epsg, year, {name: value for name, value in given.items() if value})
    is_cog = out.suffix.lower() in COG_SUFFIXES
    folder = out.with_name(f"{out.name}.parts") if is_cog else out
    facts = _composed(region, year, folder)
    if is_cog:
        mosaic_exports.write_cog(folder / mosaic_arrays.MOSAIC_NAME, out)
        shutil.rmtree(folder / mosaic_arrays.MOSAIC_NAME)
        if not any(folder.iterdir()):
            folder.rmdir()
    console.print_json(data=facts)


def _region(region_id: str, bounds: str, epsg: int | None, year: int, given: dict[str, str]) -> regions.Region:
    """The region of the file, or one of bounds, with the scenes that the options name."""
    if bool(region_id) == bool(bounds):
        raise CommandError("Name either --region or --bounds.")
    if region_id:
        known = regions.region(region_files.load_regions(), region_id)
        return region_options.with_scenes(known, year, given)
    try:
        west, south, east, north = (float(part) for part in bounds.split(","))
    except ValueError:
        remedy = "Write west,south,east,north in degrees, such as -55.2,-6.4,-55.1,-6.3."
        raise CommandError(f"{bounds!r} are no bounds. {remedy}") from None
    scenes = {"source": "stac", "collection": "sentinel-2-l2a", **given}
    return region_options.region_of_bounds((west, south, east, north), year, scenes, epsg)


def _composed(region: regions.Region, year: int, out: Path) -> dict[str, Any]:
    from mining_platform.sources import router

    scenes = regions.required_scenes(region)
    table = router.list_scenes(region, year)
    with progress_bar() as bar:
        task = bar.add_task(f"{len(table)} scenes", total=1.0)
        return mosaics.compose(
            region,
            table,
            scenes.channels,
            out,
            recipe=mosaic_recipe(scenes.recipe),
            blocks=None,
            progress=lambda text, share: bar.update(task, completed=share, description=text),
        )


def clouds(
    scene: Annotated[Path, typer.Argument(help="Folder of a Sentinel-2 L1C scene (SAFE, or COGs by official names).")],
    out: Annotated[Path, typer.Option(help="GeoTIFF of cloud probability to write, 0 to 1, nodata -1.")],
    mask: Annotated[Path | None, typer.Option(help="GeoTIFF to write of the mask: 1 cloud, 0 clear, 255 nodata.")] = None,
    gsd_m: Annotated[int, typer.Option("--gsd", help="Pixel size in metres: 10, 20, 60 or a multiple of 60.")] = 10,
) -> None:
    """Cloud probability of a scene by s2cloudless, as the package computes it."""
    from mining_platform.clouds.whole_scenes import write_cloud_probability

    with progress_bar() as bar:
        task = bar.add_task("cloud probability", total=1.0)
        facts = write_cloud_probability(
            scene, out, mask, gsd_m=gsd_m, progress=lambda text, share: bar.update(task, completed=share, description=text)
        )
    console.print_json(data=facts)


def ingest(  # noqa: PLR0913 - the options of a command
    stack: Annotated[Path, typer.Argument(help="GeoTIFF with a band a channel: reflectance 0 to 1, or digital numbers.")],
    out: Annotated[Path, typer.Option(help="Archive folder; the scene becomes a folder in it.")],
    scene_id: Annotated[str, typer.Option(help="Name of the scene.")],
    date: Annotated[str, typer.Option(help="Time or day of acquisition, UTC, or first/last day where it is not known.")],
    collection: Annotated[str, typer.Option(help=f"One of {', '.join(scene_collections.COLLECTIONS)}.")] = "sentinel-2-l2a",
    band_ids: Annotated[str, typer.Option("--bands", help="Ids in the stack's order; default by the names of its bands.")] = "",
    platform: Annotated[str, typer.Option(help="Such as sentinel-2a.")] = "sentinel-2",
    baseline: Annotated[str, typer.Option(help="Processing baseline such as 05.09; default told by dark pixels.")] = "",
    description: Annotated[str, typer.Option(help="Where the stack comes from.")] = "",
) -> None:
    """Turn a stack of bands that somebody has into a scene of a local archive."""
    from mining_platform.ingest.stacks import ingest_stack

    acquired = _span(date)
    facts = ingest_stack(
        stack,
        out,
        scene_id=scene_id,
        band_ids=[name.strip() for name in band_ids.split(",") if name.strip()] or None,
        collection=collection,
        acquired=acquired,
        platform=platform,
        baseline=baseline or None,
        sun=_sun(stack, acquired) if "T" in date else None,
        description=description,
    )
    console.print_json(data=facts)


def _sun(stack: Path, acquired: datetime | tuple[datetime, datetime]) -> tuple[float, float] | None:
    """Azimuth and elevation over the middle of a raster at an exact time; None where it cannot be told."""
    from rasterio.warp import transform

    if not isinstance(acquired, datetime) or not stack.is_file():
        return None
    with opened_raster_file(stack) as raster:
        left, bottom, right, top = raster.bounds
        (longitude,), (latitude,) = transform(raster.crs, "EPSG:4326", [(left + right) / 2], [(bottom + top) / 2])
    return sun_position(acquired, longitude, latitude)


def _span(text: str) -> datetime | tuple[datetime, datetime]:
    """A time; `2022-07-01` at noon UTC; or `2022-01-25/2024-04-25` from the first day's beginning to the last day's."""
    try:
        times = [datetime.fromisoformat(part) for part in text.split("/")]
    except ValueError:
        times = []
    if len(times) == 1 and "T" in text:
        return times[0].astimezone(UTC) if times[0].tzinfo else times[0].replace(tzinfo=UTC)
    days = [moment.date() for moment in times]
    match days:
        case [day]:
            return datetime.combine(day, time(12), UTC)
        case [first, last] if first <= last:
            return datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC)
    raise CommandError(f"{text!r} is no day. Write 2022-07-01, or 2022-01-25/2024-04-25 where only a span is known.")
