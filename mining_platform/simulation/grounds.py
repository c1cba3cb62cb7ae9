"""Ground of a region year by year: a made-up landscape, or what a given map tells."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.simulation import landscape, painting
from mining_platform.simulation.landscape import Landscape
from mining_platform.simulation.places import YearGround


def year_grounds(
    region: Region, canvas: GeoBox, years: Sequence[int], seed: int, land_cover: Path | None
) -> Iterator[tuple[int, YearGround, Landscape | None]]:
    """Year, ground, and the landscape, the same every year; with `land_cover` the map is painted over, and there is none."""
    if land_cover is not None:
        for year in years:
            classes = painting.painted_classes(land_cover, year, canvas, seed, region.id)
            yield year, YearGround(classes, painting.painted_ground(classes, seed, region.id)), None
        return
    shape = (canvas.shape[0], canvas.shape[1])
    land = landscape.make_landscape(shape, seed, region.id)
    textures = painting.make_textures(shape, land.waters.relief, seed, region.id)
    for year in years:
        classes = landscape.classes_in(land, year)
        yield year, YearGround(classes, painting.made_up_ground(land, classes, textures, year, (seed, region.id))), land
