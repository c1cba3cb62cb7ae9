"""The pictures of a package: what its patches look like, where they lie, and how bright they are."""

from mining_platform.band_figures import band_preview
from mining_platform.dataset_figures import release_sheet
from mining_platform.packages.contents import Release
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.split_figures import split_figure

CONTACT_SHEET, SPLIT_MAP, BANDS = "figures/patches.png", "figures/splits.png", "figures/bands.png"


def package_pictures(release: Release, given: PackageInput) -> dict[str, tuple[str, bytes]]:
    """PNGs by path in the package, each with its caption."""
    table, simulated = given.manifest[~given.manifest["dropped"]], release.simulated
    sheet = release_sheet(table, given.images, given.labels, release.channels, release.title, simulated)
    placed = table[["window_id", "region", "range", "is_mining", "split"]]
    values, _ = band_preview(table, given.images, release.channels, f"Values by band and split: {release.title}", simulated)
    return {
        CONTACT_SHEET: ("Patches by mining share", sheet),
        SPLIT_MAP: ("Where the patches of each split lie", split_figure(placed, f"Splits: {release.title}", simulated)),
        BANDS: ("Values of the bands by split", values),
    }
