"""The commands `regions list`, `show`, `validate` and `add`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mining_platform import region_files, regions
from mining_platform.consoles import CommandError, console, print_rows
from mining_platform.options import Json

app = typer.Typer(no_args_is_help=True, help="The study regions of regions.geojson.")


@app.command(name="list")
def list_regions(as_json: Json = False) -> None:
    """All regions with their years and sources."""
    print_rows([region_row(region) for region in region_files.load_regions().values()], as_json=as_json)


@app.command()
def show(region_id: str) -> None:
    """One region as JSON, with its grid."""
    region = regions.region(region_files.load_regions(), region_id)
    shape, bounds = region.geobox.shape, list(region.geobox.boundingbox)
    described = {
        **region_row(region),
        "land_cover": asdict(region.land_cover) if region.land_cover else None,
        "scenes": asdict(region.scenes) if region.scenes else None,
        **{layer: asdict(beside) for layer, beside in region.beside.items()},
        "bounds_deg": list(region.geometry.bounds),
        "grid": {"epsg": region.epsg, "rows": shape.y, "columns": shape.x, "bounds_m": bounds},
        "note": region.note,
    }
    console.print_json(data=described)


@app.command()
def validate(path: Annotated[Path | None, typer.Argument(help="Region file; default the one in use.")] = None) -> None:
    """Check a region file; every mistake is named with feature, field and remedy."""
    path = path or region_files.regions_file()
    console.print(f"{path}: {len(region_files.load_regions(path))} regions, all valid.")


@app.command()
def add(feature: Annotated[Path, typer.Argument(help="GeoJSON file with one Feature.")]) -> None:
    """Append one feature to the region file in use, if the whole file stays valid."""
    try:
        content = json.loads(feature.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{feature} is not a readable GeoJSON file: {error}.") from None
    added = region_files.add_region(region_files.regions_file(), content)
    shape = added.geobox.shape
    console.print(f"Added {added.id} to {region_files.regions_file()}; its grid is {shape.x} x {shape.y} pixels.")


def region_row(region: regions.Region) -> dict[str, Any]:
    """What the list of regions says about one."""
    cover, scenes = region.land_cover, region.scenes
    return {
        "id": region.id,
        "name": region.name,
        "country": region.country,
        "years": list(region.years),
        "epsg": region.epsg,
        "land_cover": f"{cover.source} {cover.collection}" if cover else None,
        "scenes": f"{scenes.source} {scenes.collection}" if scenes else None,
        "layers": ", ".join(region.beside) or None,
        "simulated": region.simulated,
    }
