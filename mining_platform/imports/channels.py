"""Which channel each band of other people's files is: as a person says, as the files say, or as the layout has it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mining_platform import bands, profiles
from mining_platform.imports.findings import Finding, PatchImportError
from mining_platform.imports.found import LEFT_OUT

LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "landsat-4-7": ("L-blue", "L-green", "L-red", "L-nir", "L-swir1", LEFT_OUT, "L-swir2"),
        "eurosat-13": (
            *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12"),
            "B8A",
        ),
    }
)
"""Bands of common stacks that are no profile: Landsat 4 to 7 number 1 to 7, of which 6 is thermal and not stored; the files of
EuroSAT (Helber et al. 2019, doi:10.1109/JSTARS.2019.2918242) have band 8A last."""


def wanted_channels(text: str) -> tuple[str, ...]:
    """`B02,B03,-`, a profile such as `s2-12`, or a row of LISTS -> band ids; PatchImportError naming unknown ones."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if len(words) == 1 and words[0] in {**profiles.PROFILES, **LISTS}:
        return LISTS.get(words[0]) or profiles.PROFILES[words[0]].channels
    if unknown := [word for word in words if word != LEFT_OUT and word not in bands.BANDS]:
        raise PatchImportError(
            f"--channels: {', '.join(unknown)} are no channels. Name a profile ({', '.join((*profiles.PROFILES, *LISTS))}), or "
            f"for each band of the files one of {', '.join(bands.BANDS)}, or {LEFT_OUT} to leave it out."
        )
    kept = [word for word in words if word != LEFT_OUT]
    if len(set(kept)) < len(kept) or (words and not kept):
        raise PatchImportError(f"--channels {text}: name each channel once, and at least one.")
    return words


def channels_of(asked: Sequence[str], descriptions: Sequence[str | None], usual: Sequence[str], where: str) -> tuple[str, ...]:
    """Band ids of a file with these band descriptions, in its order, LEFT_OUT for those not stored.

    By what was asked; else by descriptions that are band ids; else by the layout's usual channels, if they are as many.
    PatchImportError where none of these fits.
    """
    count = len(descriptions)
    if asked:
        if len(asked) != count:
            raise PatchImportError(
                f"{where} has {count} bands and --channels names {len(asked)}. Name each band, or {LEFT_OUT} to leave it out."
            )
        return tuple(asked)
    told = tuple(text or "" for text in descriptions)
    if all(text in bands.BANDS for text in told) and len(set(told)) == count:
        return told
    if len(usual) == count:
        return tuple(usual)
    raise PatchImportError(
        f"{where} has {count} bands, and nothing says which. Name them in order with --channels: a profile "
        f"({', '.join((*profiles.PROFILES, *LISTS))}), or band ids such as B02,B03,B04; {LEFT_OUT} leaves one out."
    )


def left_out(channels: Sequence[str]) -> tuple[Finding, ...]:
    """What to say of bands that are not stored."""
    numbers = tuple(f"band {number}" for number, channel in enumerate(channels, 1) if channel == LEFT_OUT)
    return (Finding("left out", "bands of each image are not stored", numbers),) if numbers else ()
