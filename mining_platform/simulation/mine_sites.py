"""The mines of a region as sites with names, and the outlines that a person would draw of them year by year."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy import ndimage
from shapely import MultiPolygon, Polygon

from mining_platform.labels.site_names import normalised_site
from mining_platform.simulation import noise
from mining_platform.simulation.landscape import MINING
from mining_platform.simulation.places import Place

MOST_SITES = 6
LEAST_SITE_PX = 1_000
"""Mining of a site in the last year, 10 ha: smaller mines have no name."""
APART_PX = 15.0
"""Pits nearer than twice this to each other are of one site."""
LEAST_PART_PX, LEAST_HOLE_PX = 50, 60
"""Smaller scars and islands are not drawn: 0.5 and 0.6 ha."""
SLIP_PX = 1.5
"""How far a drawn line keeps off the true one."""
NAMES = ("Grota da Onça", "Baixão Novo", "Igarapé Preto", "Água Branca", "Sucuri", "São Simão", "Cabeceira", "Tracajá")
OLDER_NAME = "Velho Garimpo"
"""Begins the other name of every second site, the one that the polygons have: only a table of aliases joins the two."""


@dataclass(frozen=True)
class MineSite:
    """One site."""

    name: str
    """As images are called."""
    drawn_name: str
    """As its polygons are called: `name`, or quite another name."""
    outlines: dict[int, MultiPolygon]
    """Year -> outlines in px of the canvas; without years in which there is no mine yet."""

    @property
    def base(self) -> str:
        """The name in letters that files can have: `GROTA_DA_ONCA_SERRA`."""
        return normalised_site(self.name).replace(" ", "_").upper()


def mine_sites(place: Place) -> tuple[MineSite, ...]:
    """The largest sites of a place in its last year, largest first, MOST_SITES at most; none where nothing is mined."""
    mined = {year: seen.classes == MINING for year, seen in place.years.items()}
    last = mined[max(mined)]
    numbers = np.zeros(last.shape, dtype=np.int32)
    if last.any():
        numbers = ndimage.label(ndimage.distance_transform_edt(~last) <= APART_PX)[0]
    sizes = np.bincount(numbers[last], minlength=1)
    chosen = [int(number) for number in np.argsort(-sizes, kind="stable")[:MOST_SITES] if sizes[number] >= LEAST_SITE_PX]
    names = _names(place, len(chosen))
    found = []
    for count, (number, (name, drawn_name)) in enumerate(zip(chosen, names, strict=True)):
        box = ndimage.find_objects((numbers == number).astype(np.uint8))[0]
        outlines = {year: drawn(mask[box] & (numbers[box] == number), box) for year, mask in mined.items()}
        kept = {year: outline for year, outline in outlines.items() if not outline.is_empty}
        found.append(MineSite(name, drawn_name if count % 2 else name, kept))
    return tuple(found)


def drawn(mined: NDArray[np.bool_], box: Sequence[slice]) -> MultiPolygon:
    """Outlines around pixels (y, x) of a box of the canvas, in px of the canvas, with islands left out, without specks."""
    padded = np.pad(mined, 3)
    calm = ndimage.binary_opening(ndimage.binary_closing(padded, iterations=2), iterations=1)
    corner = Affine.translation(box[1].start - 3, box[0].start - 3)
    kept = [_without_specks(part) for part in polygons_around(calm, corner) if part.area >= LEAST_PART_PX]
    return MultiPolygon([polygon for part in kept for polygon in getattr(part, "geoms", [part]) if polygon.area >= LEAST_PART_PX])


def polygons_around(where: NDArray[np.bool_], affine: Affine) -> list[Polygon]:
    """Outlines with their holes of connected pixels (y, x), in the order of their first pixels."""
    found = [outline["coordinates"] for outline, value in shapes(where.astype(np.uint8), transform=affine) if value == 1]
    return [Polygon(rings[0], rings[1:]) for rings in found]


def _without_specks(part: Polygon) -> Polygon | MultiPolygon:
    holes = [ring for ring in part.interiors if Polygon(ring).area >= LEAST_HOLE_PX]
    simple = Polygon(part.exterior, holes).simplify(SLIP_PX).buffer(0)
    return simple if isinstance(simple, Polygon | MultiPolygon) else Polygon()


def _names(place: Place, count: int) -> list[tuple[str, str]]:
    """(name, other name) of each site; the region's own name keeps sites of several regions apart."""
    region = " ".join(re.sub(r"[^\w ]", " ", place.region.name).replace("_", " ").split())
    order = noise.generator(place.seed, place.region.id, "site names").permutation(len(NAMES))[:count]
    return [(f"{NAMES[k]} {region}", f"{OLDER_NAME} {number} {region}") for number, k in enumerate(order.tolist(), 1)]
