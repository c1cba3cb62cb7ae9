"""Spectral indices: contrasts of bands by their roles, so that Sentinel-2, Landsat and any other sensor are read alike.

A new index is one row of `INDICES`; `bands.py` makes its channel of it, and `index_images.py` computes it. All of them are
normalised differences, whose sign and range mean the same on reflectance of any sensor; on digital numbers with an offset they
do not, so give reflectance.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Index:
    """(sum of `plus` - sum of `minus`) / (sum of both), bands named by role."""

    id: str
    """Name, and id of its channel, e.g. `NDVI`; its role is the same in small letters."""
    title: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    citation: str

    @property
    def role(self) -> str:
        """The role of its channel, such as `ndvi`."""
        return self.id.lower()

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands that it needs."""
        return (*self.plus, *self.minus)

    @property
    def formula(self) -> str:
        """E.g. `(nir - red) / (nir + red)`."""
        return f"({' + '.join(self.plus)} - {' - '.join(self.minus)}) / ({' + '.join(self.roles)})"


INDICES: dict[str, Index] = {
    row.id: row
    for row in (
        Index(
            "NDVI",
            "Vegetation",
            ("nir",),
            ("red",),
            "Rouse et al. 1974, Monitoring vegetation systems in the Great Plains with ERTS, NASA SP-351, 309-317",
        ),
        Index(
            "NDWI",
            "Open water",
            ("green",),
            ("nir",),
            "McFeeters 1996, International Journal of Remote Sensing 17, 1425-1432",
        ),
        Index(
            "MNDWI",
            "Open water beside built-up and bare ground",
            ("green",),
            ("swir1",),
            "Xu 2006, International Journal of Remote Sensing 27, 3025-3033",
        ),
        Index(
            "BSI",
            "Bare soil",
            ("swir1", "red"),
            ("nir", "blue"),
            "Rikimaru, Roy and Miyatake 2002, Tropical forest cover density mapping, Tropical Ecology 43, 39-47",
        ),
        Index(
            "NBR",
            "Burnt ground",
            ("nir",),
            ("swir2",),
            "Key and Benson 2006, Landscape assessment, in FIREMON, USDA Forest Service RMRS-GTR-164-CD",
        ),
        Index(
            "NDMI",
            "Water in leaves",
            ("nir",),
            ("swir1",),
            "Gao 1996, Remote Sensing of Environment 58, 257-266; with this band Wilson and Sader 2002, same journal 80, 385-396",
        ),
    )
}


def index(index_id: str) -> Index:
    """The row of an index; KeyError with the known ids and the remedy otherwise."""
    try:
        return INDICES[index_id]
    except KeyError:
        raise KeyError(
            f"Unknown index {index_id!r}; known: {', '.join(INDICES)}. Add a row in mining_platform/indices.py."
        ) from None


def roles_of(index_id: str) -> tuple[str, ...]:
    """Roles of the bands that an index needs; KeyError as `index`."""
    return index(index_id).roles
