"""Bands, their names at each provider, and the profiles that stack them into images.

A new band is one row of `BANDS`; a new stack of channels is one row of `PROFILES`. Everything else
addresses channels by id, never by position.
"""

from dataclasses import dataclass

S2_SCALE = 1e-4  # reflectance per digital number, Sentinel-2 Products Specification Document
S2_BOA_OFFSET_DN = -1000  # BOA_ADD_OFFSET, in products since baseline 04.00 (2022-01-25), same document
S2_OFFSET_BASELINE = 4.0  # first processing baseline that carries the offset
S2_NODATA = 0


@dataclass(frozen=True)
class Band:
    """One spectral band of one sensor."""

    id: str
    """Name used in this project, e.g. `B04`."""
    role: str
    """What the band measures, shared between sensors, e.g. `red`."""
    sensor: str
    gsd_m: int
    """Native ground sampling distance in metres."""
    wavelength_nm: float
    """Central wavelength, Sentinel-2A, from the Sentinel-2 User Handbook."""
    providers: dict[str, str]
    """Asset name of the band at each provider, by provider id."""
    unit: str = "reflectance"
    scale: float = S2_SCALE
    nodata: int = S2_NODATA


def _s2(band_id: str, role: str, gsd_m: int, wavelength_nm: float, earth_search: str) -> Band:
    return Band(
        id=band_id,
        role=role,
        sensor="sentinel-2",
        gsd_m=gsd_m,
        wavelength_nm=wavelength_nm,
        providers={"earth-search": earth_search, "planetary-computer": band_id},
    )


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
        _s2("B11", "swir1", 20, 1613.7, "swir16"),
        _s2("B12", "swir2", 20, 2202.4, "swir22"),
    )
}

SCL_ASSETS = {"earth-search": "scl", "planetary-computer": "SCL"}
"""Asset name of the 20 m scene classification layer at each provider."""


@dataclass(frozen=True)
class Profile:
    """An ordered stack of channels."""

    id: str
    channels: tuple[str, ...]
    """Band ids, in order."""
    description: str


PROFILES: dict[str, Profile] = {
    profile.id: profile
    for profile in (
        Profile("rgb", ("B04", "B03", "B02"), "Sentinel-2 red, green, blue"),
        Profile(
            "s2-12",
            ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
            "All twelve Sentinel-2 L2A bands, by wavelength",
        ),
    )
}


def band(band_id: str) -> Band:
    """The row of a band; KeyError with the known ids and the remedy otherwise."""
    try:
        return BANDS[band_id]
    except KeyError:
        raise KeyError(f"Unknown band {band_id!r}; known: {', '.join(BANDS)}. Add a row in mining_platform/bands.py.") from None


def band_of_role(role: str, channels: tuple[str, ...] = PROFILES["s2-12"].channels) -> str:
    """Id of the band among `channels` that has a role such as `nir`; KeyError if there is none."""
    for band_id in channels:
        if BANDS[band_id].role == role:
            return band_id
    raise KeyError(f"None of the channels {', '.join(channels)} has the role {role!r}; roles are in mining_platform/bands.py.")


def profile(profile_id: str) -> Profile:
    """The row of a profile; KeyError with the known ids and the remedy otherwise."""
    try:
        return PROFILES[profile_id]
    except KeyError:
        raise KeyError(
            f"Unknown profile {profile_id!r}; known: {', '.join(PROFILES)}. Add a row in mining_platform/bands.py."
        ) from None
