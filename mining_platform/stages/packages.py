"""A release as published, from what the assets of a dataset's family hold: for the asset `package` and the command `export`."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from numpy.typing import NDArray

from mining_platform import patches, profiles, sampling
from mining_platform.artifacts import Artifact, Ref, open_artifact
from mining_platform.dataset_rows import Dataset
from mining_platform.labels.recipes import RECIPES
from mining_platform.packages.contents import Release
from mining_platform.packages.credits import credits_of
from mining_platform.packages.layouts import Layout
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.packages.writing import write_package
from mining_platform.pipeline import Platform, key_parts, ref
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.stacks import layers_of
from mining_platform.stages.files import MANIFEST_FILE, PREVIEW_FILE, QUOTAS_FILE, SPLITS_FILE
from mining_platform.stages.package_pictures import CONTACT_SHEET, package_pictures

PACKAGE_DIRECTORY = "package"
"""Of a published version, beside its preview."""
AUTHORS = ("The users of the mining data platform",)
"""Whom a release names unless told otherwise."""


def package_refs(platform: Platform, dataset: Dataset, layout: Layout, release: int) -> tuple[Ref, ...]:
    """What a package of a release rests on: that of its manifest, and the maps where the layout clips them."""
    yearly = tuple(Ref(f"{dataset.id}/{stage}", str(release)) for stage in ("manifest", "quotas", "splits"))
    regions, years = open_artifact(platform.artifacts, yearly[0]).facts["regions"], dataset.years_of(release)
    stores = tuple(ref(f"{dataset.id}/patches", region_id, year) for region_id in regions for year in years)
    mapped = [each for each in regions if layout.clips_maps and platform.regions[each].land_cover is not None]
    return (*yearly, *stores, *(ref("land_cover", region_id, year) for region_id in mapped for year in years))


def write_release(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`package/`: the release in the dataset's layout, and its contact sheet as preview."""
    release = release_of(dataset, platform, dataset.years_of(int(key)), dataset.layout, inputs)
    facts = write(release, inputs, out / PACKAGE_DIRECTORY)
    (out / PREVIEW_FILE).write_bytes((out / PACKAGE_DIRECTORY / CONTACT_SHEET).read_bytes())
    return facts


def write(release: Release, inputs: Mapping[Ref, Artifact], out: Path, *, with_bands: bool = False) -> dict[str, Any]:
    """Write the package of a release into a folder, from the versions it rests on; its facts. Raises as `write_package`."""
    given = package_input(release, inputs, with_bands=with_bands)
    return write_package(out, release, given, package_pictures(release, given))


def release_of(
    dataset: Dataset,
    platform: Platform,
    years: Sequence[int],
    layout_id: str,
    inputs: Mapping[Ref, Artifact],
    *,
    authors: Sequence[str] = AUTHORS,
    date: str | None = None,
) -> Release:
    """The release of a dataset's years in a layout; `date` None means the first day after the last of the years."""
    regions = sorted({key_parts(each.partition)[0] for each in inputs if each.asset == f"{dataset.id}/patches"})
    told, channels = ", ".join(map(str, years)), profiles.PROFILES[dataset.profile].channels
    origin = credits_of([platform.regions[region_id] for region_id in regions], years, dataset.points, layers_of(channels))
    return Release(
        dataset=dataset.id,
        title=f"{dataset.title}, {told}",
        years=tuple(sorted(years)),
        layout=layout_id,
        channels=channels,
        px=dataset.px,
        pixel_m=dataset.pixel_m,
        recipe=RECIPES[dataset.recipe],
        profile=dataset.profile,
        credits=origin,
        inputs=tuple(sorted((each.asset, each.partition, artifact.digest) for each, artifact in inputs.items())),
        code_version=metadata.version("mining-platform"),
        authors=tuple(authors),
        date=date or f"{max(years) + 1}-01-01",
        simulated=any(bool(artifact.facts.get("simulated")) for artifact in inputs.values()),
    )


def package_input(release: Release, inputs: Mapping[Ref, Artifact], *, with_bands: bool) -> PackageInput:
    """What the layouts read, by region and year, from published versions."""

    def version(asset: str, region_id: str, year: int) -> Path:
        return inputs[ref(asset, region_id, year)].path

    def images(region_id: str, year: int, rows: Sequence[int]) -> NDArray[Any]:
        return patches.read_images(version(f"{release.dataset}/patches", region_id, year), rows)

    def labels(region_id: str, year: int, rows: Sequence[int]) -> NDArray[Any]:
        return patches.read_labels(version(f"{release.dataset}/patches", region_id, year), rows)

    def land_cover(region_id: str, year: int) -> Path | None:
        known = inputs.get(ref("land_cover", region_id, year))
        return known.path / LAND_COVER_FILE if known else None

    manifests = [gpd.read_parquet(path / MANIFEST_FILE) for path in _yearly(release, inputs, "manifest").values()]
    splits = pd.concat([pd.read_parquet(path / SPLITS_FILE) for path in _yearly(release, inputs, "splits").values()])
    return PackageInput(
        manifest=gpd.GeoDataFrame(pd.concat(manifests, ignore_index=True), geometry="geometry", crs=manifests[0].crs),
        images=images,
        labels=labels,
        land_cover=land_cover,
        groups=dict(zip(splits["window_id"], splits["group"].astype(str), strict=True)),
        shortage=_shortage(release, inputs),
        with_bands=with_bands,
    )


def _shortage(release: Release, inputs: Mapping[Ref, Artifact]) -> pd.DataFrame:
    tables = []
    for year, path in _yearly(release, inputs, "quotas").items():
        tables.append(sampling.shortage(pd.read_parquet(path / QUOTAS_FILE)))
        tables[-1].insert(0, "year", year)
    return pd.concat(tables, ignore_index=True)


def _yearly(release: Release, inputs: Mapping[Ref, Artifact], stage: str) -> dict[int, Path]:
    """Versions of a stage of the dataset by the year that their release is named by, sorted."""
    found = {int(each.partition): made.path for each, made in inputs.items() if each.asset == f"{release.dataset}/{stage}"}
    return dict(sorted(found.items()))
