"""Sensors' bands and mask layers, their names at each provider, and the numbers that hold their values.

A new band is one row of `BANDS`, a new mask layer one of `LAYERS`; stacks of bands are rows of `profiles.py`, what they come in
rows of `scene_collections.py`. Everything else addresses channels by id, never by position.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.indices import INDICES, Index
from mining_platform.osm_keys import OSM_KEYS
from mining_platform.profiles import PROFILES

S2_SCALE = 1e-4  # reflectance per digital number, Sentinel-2 Products Specification Document
S2_OFFSET_DN = -1000  # BOA_ADD_OFFSET and RADIO_ADD_OFFSET, in products since baseline 04.00 (2022-01-25), same document
S2_OFFSET_BASELINE = 4.0  # first processing baseline that carries the offset
S2_NODATA = 0
LANDSAT_SCALE, LANDSAT_OFFSET = 2.75e-5, -0.2  # surface reflectance, Landsat 8-9 Collection 2 Level 2 Science Product Guide
LANDSAT_GAIN, LANDSAT_OFFSET_DN = LANDSAT_SCALE * 10_000, round(LANDSAT_OFFSET * 10_000)  # the same in steps of S2_SCALE
LANDSAT_KELVIN_SCALE, LANDSAT_KELVIN_OFFSET = 0.00341802, 149.0  # surface temperature in kelvin, same guide

PROVIDERS = ("earth-search", "planetary-computer", "safe", "earth-engine", "landsat-tm", "landsat-oli")
"""Who names bands: two STAC services, the files of Sentinel-2 products, Earth Engine, the files of Landsat products of the
Thematic Mappers (Landsat 4, 5, 7) and of the Operational Land Imagers (Landsat 8, 9), whose names Earth Engine keeps."""


@dataclass(frozen=True)
class Band:
    """One channel of one sensor: a spectral band, a polarisation, a height."""

    id: str
    """Name used in this project, e.g. `B04`."""
    role: str
    """What the band measures, shared between sensors, e.g. `red`."""
    sensor: str
    gsd_m: int
    """Native ground sampling distance in metres."""
    wavelength_nm: float
    """Central wavelength: Sentinel-2A, from the Sentinel-2 User Handbook; Landsat 8, from the Landsat 8 Data Users Handbook;
    Sentinel-1, of 5.405 GHz, from the Sentinel-1 User Handbook. 0 for what is no radiation."""
    providers: Mapping[str, str]
    """Name of the band at each provider."""
    unit: str = "reflectance"
    scale: float = S2_SCALE
    offset: float = 0.0
    """In `unit`: the value is `scale` x DN + `offset`."""
    nodata: int = S2_NODATA
    also: Mapping[str, str] = field(default_factory=dict)
    """A second name at a provider that names the band of an older instrument otherwise."""


@dataclass(frozen=True)
class Layer:
    """A raster beside the bands that tells clear pixels from others."""

    id: str
    title: str
    gsd_m: int
    providers: Mapping[str, str]
    """Name of the layer at each provider that has it."""


def _s2(band_id: str, role: str, gsd_m: int, wavelength_nm: float, earth_search: str) -> Band:
    names = {
        "earth-search": earth_search,
        "planetary-computer": band_id,
        "safe": band_id,
        "earth-engine": band_id.replace("B0", "B"),
    }
    return Band(band_id, role, "sentinel-2", gsd_m, wavelength_nm, names)


def _landsat(role: str, wavelength_nm: float, planetary_computer: str, tm: str, oli: str) -> Band:
    names = {"planetary-computer": planetary_computer, "landsat-tm": tm, "landsat-oli": oli}
    return Band(f"L-{role}", role, "landsat", 30, wavelength_nm, names, scale=LANDSAT_SCALE)


def _thermal() -> Band:
    """Surface temperature in kelvin, of band 6 of the Thematic Mappers and band 10 of TIRS."""
    names = {"planetary-computer": "lwir11", "landsat-tm": "ST_B6", "landsat-oli": "ST_B10"}
    older = {"planetary-computer": "lwir"}
    scale, offset = LANDSAT_KELVIN_SCALE, LANDSAT_KELVIN_OFFSET
    return Band("L-thermal", "thermal", "landsat", 100, 10_895.0, names, unit="K", scale=scale, offset=offset, also=older)


def index_band(row: Index) -> Band:
    """The channel of an index, from -1 to 1; as uint16 in steps of 0.0001 from 1 to 20,001."""
    return Band(row.id, row.role, "index", 10, 0.0, {}, unit="index", scale=1e-4, offset=-1.0001)


def _sentinel1(polarisation: str) -> Band:
    """Gamma nought in dB; as uint16 from -80, far below the noise floor of about -25, to 51 in steps of 0.002."""
    names = {"planetary-computer": polarisation.lower(), "earth-engine": polarisation}
    role = f"radar_{polarisation.lower()}"
    return Band(f"S1-{polarisation}", role, "sentinel-1", 10, 5.5466e7, names, unit="dB", scale=0.002, offset=-80.0)


def _elevation() -> Band:
    """Height in metres; as uint16 from -1,000, below all land, to 12,107, above it, in steps of 0.2."""
    names = {"planetary-computer": "data", "earth-engine": "DEM"}
    return Band("DEM", "elevation", "copernicus-dem", 30, 0.0, names, unit="m", scale=0.2, offset=-1000.0)


def _slope() -> Band:
    """Steepest slope of the surface in degrees, from 0 to 90; as uint16 in steps of 0.01 from 1 to 9,001."""
    return Band("SLOPE", "slope", "copernicus-dem", 30, 0.0, {}, unit="degree", scale=0.01, offset=-0.01)


def _osm(key: str) -> Band:
    """Whether OpenStreetMap has a feature of a key here, 0 or 1; as uint16 1 absent, 2 present, and 0 not known."""
    return Band(f"OSM-{key}", f"osm_{key}", "openstreetmap", 10, 0.0, {}, unit="flag", scale=1.0, offset=-1.0)


def _osm_distance(key: str) -> Band:
    """Metres to the nearest pixel with a feature of a key, up to context.MAX_DISTANCE_M; as uint16 one more."""
    role = f"osm_{key}_distance"
    return Band(f"OSM-{key}-distance", role, "openstreetmap", 10, 0.0, {}, unit="m", scale=1.0, offset=-1.0)


def _display(role: str) -> Band:
    """A colour of a picture with an unknown or non-linear stretch; 0 to 1 of what a screen shows, and no reflectance."""
    return Band(f"RGB-{role}", role, "picture", 10, 0.0, {}, unit="display", scale=1 / 255)


BANDS: dict[str, Band] = {
    band.id: band
    for band in (
        _s2("B01", "coastal", 60, 442.7, "coastal"),
        _s2("B02", "blue", 10, 492.4, "blue"),
        _s2("B03", "green", 10, 559.8, "green"),
        _s2("B04", "red", 10, 664.6, "red"),
        _s2("B05", "rededge1", 20, 704.1, "rededge1"),
        _s2("B06", "rededge2", 20, 740.5, "rededge2"),
        _s2("B07", "rededge3", 20, 782.8, "rededge3"),
        _s2("B08", "nir", 10, 832.8, "nir"),
        _s2("B8A", "nir08", 20, 864.7, "nir08"),
        _s2("B09", "watervapour", 60, 945.1, "nir09"),
        _s2("B10", "cirrus", 60, 1373.5, "cirrus"),
        _s2("B11", "swir1", 20, 1613.7, "swir16"),
        _s2("B12", "swir2", 20, 2202.4, "swir22"),
        _landsat("blue", 482.0, "blue", "SR_B1", "SR_B2"),
        _landsat("green", 561.4, "green", "SR_B2", "SR_B3"),
        _landsat("red", 654.6, "red", "SR_B3", "SR_B4"),
        _landsat("nir", 864.7, "nir08", "SR_B4", "SR_B5"),
        _landsat("swir1", 1608.9, "swir16", "SR_B5", "SR_B6"),
        _landsat("swir2", 2200.7, "swir22", "SR_B7", "SR_B7"),
        _thermal(),
        _sentinel1("VV"),
        _sentinel1("VH"),
        _elevation(),
        _slope(),
        *(_display(role) for role in ("red", "green", "blue")),
        *map(_osm, OSM_KEYS),
        *map(_osm_distance, OSM_KEYS),
        *map(index_band, INDICES.values()),
    )
}

SCL, CLOUD_PROBABILITY, CLOUD_SCORE, QA_PIXEL = "SCL", "CLP", "CSP", "QA"

LAYERS: dict[str, Layer] = {
    layer.id: layer
    for layer in (
        Layer(
            SCL,
            "Sentinel-2 scene classification, codes 0..11, uint8",
            20,
            {"earth-search": "scl", "planetary-computer": "SCL", "safe": "SCL", "earth-engine": "SCL"},
        ),
        Layer(
            CLOUD_PROBABILITY,
            "Cloud probability in per cent, 0..100, uint8",
            20,
            {"earth-search": "cloud", "safe": "MSK_CLDPRB", "earth-engine": "probability"},
        ),
        Layer(
            CLOUD_SCORE,
            "Cloud Score+ cs_cdf, usability in per cent, 0..100, uint8 (Earth Engine gives 0..1)",
            10,
            {"safe": "cs_cdf", "earth-engine": "cs_cdf"},
        ),
        Layer(
            QA_PIXEL,
            "Landsat Collection 2 pixel quality bits, uint16",
            30,
            {"planetary-computer": "qa_pixel", "landsat-tm": "QA_PIXEL", "landsat-oli": "QA_PIXEL"},
        ),
    )
}


def band(band_id: str) -> Band:
    """The row of a band; KeyError with the known ids and the remedy otherwise."""
    try:
        return BANDS[band_id]
    except KeyError:
        raise KeyError(f"Unknown band {band_id!r}; known: {', '.join(BANDS)}. Add a row in mining_platform/bands.py.") from None


def stored_as(band_id: str) -> tuple[float, float]:
    """Scale and offset of a channel's uint16 numbers in mosaics and patch stores: value = scale x DN + offset, 0 is nodata.

    Reflectance of any sensor is kept in steps of S2_SCALE, whatever its own products do.
    """
    row = band(band_id)
    return (S2_SCALE, 0.0) if row.unit == "reflectance" else (row.scale, row.offset)


def described(band_id: str) -> dict[str, Any]:
    """What a store says of a channel, JSON-able: id, role, sensor, gsd_m, wavelength_nm, unit, scale, offset, nodata."""
    row, (scale, offset) = band(band_id), stored_as(band_id)
    told = {"id": band_id, "role": row.role, "sensor": row.sensor, "gsd_m": row.gsd_m, "wavelength_nm": row.wavelength_nm}
    return {**told, "unit": row.unit, "scale": scale, "offset": offset, "nodata": S2_NODATA}


def as_stored(band_id: str, values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Values of a channel in its unit, any shape, as uint16 numbers by `stored_as`: 1 to 65,535, 0 where they are not finite.

    Values beyond what the numbers can hold become the least or the greatest.
    """
    scale, offset = stored_as(band_id)
    numbers = np.clip(np.rint((values.astype(np.float64) - offset) / scale), 1, np.iinfo(np.uint16).max)
    return np.where(np.isfinite(values), numbers, S2_NODATA).astype(np.uint16)


def as_values(band_id: str, numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
    """What uint16 numbers of a channel mean, in its unit, any shape float32; NaN for 0, which is no data."""
    scale, offset = stored_as(band_id)
    return np.where(numbers == S2_NODATA, np.nan, numbers * scale + offset).astype(np.float32)


def provider_name(band_id: str, provider: str) -> str | None:
    """What a provider calls a band or mask layer; None where it has none. KeyError for an unknown id."""
    row = LAYERS.get(band_id) or band(band_id)
    return row.providers.get(provider)


def provider_names(band_id: str, provider: str) -> tuple[str, ...]:
    """All names of a band or mask layer at a provider, the newest instrument's first; raises as `provider_name`."""
    row = LAYERS.get(band_id) or band(band_id)
    older = row.also if isinstance(row, Band) else {}
    return tuple(names[provider] for names in (row.providers, older) if provider in names)


def band_of_role(role: str, channels: tuple[str, ...] = PROFILES["s2-12"].channels) -> str:
    """Id of the band among `channels` that has a role such as `nir`; KeyError if there is none."""
    for band_id in channels:
        if BANDS[band_id].role == role:
            return band_id
    raise KeyError(f"None of the channels {', '.join(channels)} has the role {role!r}; roles are in mining_platform/bands.py.")
