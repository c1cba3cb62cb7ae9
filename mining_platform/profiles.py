"""Profiles: ordered stacks of channels, by name. A new stack is one row of `PROFILES`; its channels are rows of `bands.BANDS`."""

from dataclasses import dataclass

from mining_platform.indices import INDICES
from mining_platform.osm_keys import OSM_KEYS


@dataclass(frozen=True)
class Profile:
    """An ordered stack of channels."""

    id: str
    channels: tuple[str, ...]
    """Band ids, in order."""
    description: str


def _without(key: str) -> Profile:
    """The stack of Dissing and Kalo without one key of OpenStreetMap: an ablation."""
    channels = (*_CONTEXT_BANDS, *(f"OSM-{each}" for each in OSM_KEYS if each != key))
    return Profile(f"s2-12+osm-no-{key}", channels, f"The stack s2-12+osm-5 without the key {key}")


_CONTEXT_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B08", "B09", "B11", "B12")

PROFILES: dict[str, Profile] = {
    profile.id: profile
    for profile in (
        Profile("rgb", ("B04", "B03", "B02"), "Sentinel-2 red, green, blue"),
        Profile(
            "s2-12",
            ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
            "All twelve Sentinel-2 L2A bands, by wavelength",
        ),
        Profile(
            "s2-13",
            ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"),
            "All thirteen Sentinel-2 L1C bands, with cirrus, by wavelength",
        ),
        Profile(
            "s2-12+indices",
            (
                *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
                *INDICES,
            ),
            "All twelve Sentinel-2 L2A bands, and every index of them",
        ),
        Profile(
            "s2-12+osm-5",
            (*_CONTEXT_BANDS, *(f"OSM-{key}" for key in OSM_KEYS)),
            "Twelve Sentinel-2 L2A bands in the order of Dissing and Kalo's code, B8A before B08, and five keys of OpenStreetMap",
        ),
        *(_without(key) for key in OSM_KEYS),
        Profile(
            "landsat-6",
            ("L-blue", "L-green", "L-red", "L-nir", "L-swir1", "L-swir2"),
            "The six bands that Landsat 4 to 9 share, by wavelength",
        ),
        Profile(
            "landsat-7",
            ("L-blue", "L-green", "L-red", "L-nir", "L-swir1", "L-thermal", "L-swir2"),
            "The seven bands of the Thematic Mapper in its order, 1 to 7, the sixth thermal",
        ),
        Profile("rgb-display", ("RGB-red", "RGB-green", "RGB-blue"), "Pictures: red, green, blue as shown, no reflectance"),
        Profile(
            "smallmines-13",
            ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", "S1-VV", "S1-VH", "DEM"),
            "The channels of SmallMinesDS: ten Sentinel-2 bands, Sentinel-1 VV and VH in dB, height",
        ),
    )
}


def profile(profile_id: str) -> Profile:
    """The row of a profile; KeyError with the known ids and the remedy otherwise."""
    try:
        return PROFILES[profile_id]
    except KeyError:
        raise KeyError(
            f"Unknown profile {profile_id!r}; known: {', '.join(PROFILES)}. Add a row in mining_platform/profiles.py."
        ) from None
