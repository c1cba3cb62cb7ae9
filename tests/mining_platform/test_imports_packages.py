"""Packages of this platform imported again: the same manifest, pixels and labels as were exported; damaged ones refused."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform import manifests, patches
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.publishing import Imported
from mining_platform.imports.unpacking import opened_folder
from mining_platform.packages.archives import ARCHIVES
from mining_platform.packages.checksums import write_checksums
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.patch_datasets import PatchDataset
from mining_platform.reviews.decisions import RELABEL
from tests.mining_platform.import_folders import imported
from tests.mining_platform.package_inputs import CHANNELS, PX, YEARS, given_of, write, write_land_cover

STORE, TABLE = Ref("imported/patches", "given|here|2024"), Ref("imported/manifest", "given|2024")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> PackageInput:
    return given_of(write_land_cover(tmp_path_factory.mktemp("map") / "land_cover.tif"), with_bands=True)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, given: PackageInput) -> dict[str, Path]:
    found = {name: tmp_path_factory.mktemp(name) / name for name in ("proportion-ranges", "smallmines", "sites")}
    for name, out in found.items():
        write(out, name, given)
    return found


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def take(package: Path, store: ArtifactStore, **options: Any) -> Imported:
    return imported(package, store, package.name, **{"region": "", **options})


@pytest.mark.parametrize("layout", ["proportion-ranges", "smallmines", "sites"])
def test_export_and_import_give_the_same_manifest_pixels_and_labels(
    packages: dict[str, Path], given: PackageInput, store: ArtifactStore, layout: str
) -> None:
    done = take(packages[layout], store)
    kept = given.manifest[~given.manifest["dropped"]]
    kept = kept[kept["split"] != "buffer"] if layout == "sites" else kept
    expected = kept.sort_values("patch_id", ignore_index=True)
    table = gpd.read_parquet(open_artifact(store, TABLE).path / "manifest.parquet")
    assert list(table.columns) == list(manifests.PATCH_TABLE.columns)
    pd.testing.assert_frame_equal(
        pd.DataFrame(table.drop(columns="store_row")), pd.DataFrame(expected.drop(columns="store_row")), check_dtype=False
    )
    assert table["store_row"].tolist() == list(range(len(expected)))
    out, rows = open_artifact(store, STORE).path, expected["store_row"].tolist()
    assert (patches.read_images(out, range(len(rows))) == given.images("here", 2024, rows)).all()
    assert (patches.read_labels(out, range(len(rows))) == given.labels("here", 2024, rows)).all()
    assert done.findings == ()
    attributes = patches.read_attributes(out)
    assert attributes["channels"] == list(CHANNELS)
    assert (attributes["recipe"], attributes["unit"], attributes["epsg"], attributes["px"]) == (
        "mapbiomas-mining",
        "reflectance",
        32721,
        PX,
    )
    assert attributes["patch_ids"] == expected["patch_id"].tolist()
    assert attributes["simulated"]
    assert all(version.facts["simulated"] for version in done.versions)
    index = patches.read_index(out)
    assert dict(index.dtypes.astype(str)) == {
        name: kind if kind != "string" else str(index["patch_id"].dtype) for name, kind in patches.INDEX_TYPES.items()
    }
    assert index["clear_median"].tolist() == [5.0] * len(rows)


def test_a_package_of_several_years_becomes_a_store_and_a_table_a_year(tmp_path: Path, store: ArtifactStore) -> None:
    given = given_of(write_land_cover(tmp_path / "land_cover.tif"), YEARS)
    write(tmp_path / "smallmines", "smallmines", given, YEARS)
    done = take(tmp_path / "smallmines", store)
    assert [str(each.ref) for each in done.versions] == [
        *(f"imported/patches@given|here|{year}" for year in YEARS),
        *(f"imported/manifest@given|{year}" for year in YEARS),
    ]
    for year in YEARS:
        kept = given.manifest[~given.manifest["dropped"] & (given.manifest["year"] == year)].sort_values("patch_id")
        out = open_artifact(store, Ref("imported/patches", f"given|here|{year}")).path
        assert (patches.read_images(out, [0, 1]) == given.images("here", year, kept["store_row"].tolist()[:2])).all()


def test_imported_stores_train_beside_each_other_and_not_beside_pictures(
    packages: dict[str, Path], given: PackageInput, store: ArtifactStore, tmp_path: Path
) -> None:
    take(packages["smallmines"], store, name="one")
    take(packages["sites"], store, name="two")
    stores = [open_artifact(store, Ref("imported/patches", f"{name}|here|2024")).path for name in ("one", "two")]
    both = PatchDataset(stores)
    assert len(both) == sum(len(patches.read_attributes(each)["patch_ids"]) for each in stores)
    pictures = tmp_path / "proportion-ranges"
    write(pictures, "proportion-ranges", given_of(given.land_cover("here", 2024)))  # type: ignore[arg-type]
    done = take(pictures, store, name="three")
    assert "8-bit pictures" in done.findings[0].line
    shown = open_artifact(store, Ref("imported/patches", "three|here|2024")).path
    assert patches.read_attributes(shown)["unit"] == "display"
    with pytest.raises(ValueError, match=r"differs from .* in channels"):
        PatchDataset([stores[0], shown])


def damaged(package: Path, out: Path, change: str) -> Path:
    """A copy with one thing wrong."""
    copy = Path(shutil.copytree(package, out / package.name))
    table = gpd.read_parquet(copy / "manifest.parquet")
    image, label = copy / table["image_path"].iloc[0], copy / table["label_path"].iloc[0]
    match change:
        case "byte":
            content = bytearray(image.read_bytes())
            content[-20] ^= 1
            image.write_bytes(content)
        case "missing":
            label.unlink()
        case "other range":
            other = copy / table["label_path"][table["range"] != table["range"].iloc[0]].iloc[0]
            label.write_bytes(other.read_bytes())
            write_checksums(copy)
        case "other image":
            image.write_bytes(b"no image")
            write_checksums(copy)
        case "region":
            table["region"] = "No Region"
            table.to_parquet(copy / "manifest.parquet")
            write_checksums(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("byte", r"IMAGE/IMG_.*_2024.tif was altered"),
        ("missing", r"MASK/MASK_.*_2024.tif is missing"),
        ("other range", r"MASK/MASK_.*_2024.tif cannot be opened: it lies at .*, not where its patch does"),
        ("other image", r"IMAGE/IMG_.*_2024.tif cannot be opened"),
        ("region", r"The patch table breaks its schema: region"),
    ],
)
def test_a_damaged_package_is_refused_naming_the_file_and_leaves_nothing(
    packages: dict[str, Path], store: ArtifactStore, tmp_path: Path, change: str, message: str
) -> None:
    copy = damaged(packages["smallmines"], tmp_path / "copy", change)
    with pytest.raises(PatchImportError, match=message):
        take(copy, store)
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "elsewhere"}, r"tells its regions itself: here. Leave --region out"),
        ({"year": 2023}, r"tells its years itself: 2024. Leave --year out"),
        ({"channels": ("B02",)}, r"tells its channels itself"),
    ],
)
def test_a_package_cannot_be_told_otherwise(
    packages: dict[str, Path], store: ArtifactStore, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PatchImportError, match=message):
        take(packages["smallmines"], store, **options)
    with pytest.raises(PatchImportError, match=r"has the layout smallmines. Name it with --layout smallmines"):
        imported(packages["smallmines"], store, "sites", region="")


def test_a_relabelled_patch_has_no_pixel_labels_though_its_clip_has_classes(
    given: PackageInput, store: ArtifactStore, tmp_path: Path
) -> None:
    table = given.manifest.copy()
    at = table.index[~table["dropped"] & (table["range"] == "000")][0]
    table.loc[at, ["review", "reviewer", "review_reason"]] = [RELABEL, "Ana", "a dredge"]
    table.loc[at, ["range", "is_mining", "negative"]] = ["010_020", True, ""]
    write(tmp_path / "proportion-ranges", "proportion-ranges", replace(given, manifest=table))
    take(tmp_path / "proportion-ranges", store)
    row = gpd.read_parquet(open_artifact(store, TABLE).path / "manifest.parquet").set_index("patch_id").loc[table["patch_id"][at]]
    assert row[["review", "range"]].tolist() == [RELABEL, "010_020"]
    labels = patches.read_labels(open_artifact(store, STORE).path, [row["store_row"], row["store_row"] + 1])
    assert (labels[0] == 255).all()
    assert not (labels[1] == 255).all()


def test_files_without_their_manifest_are_read_as_those_of_others_and_stay_simulated(
    packages: dict[str, Path], store: ArtifactStore, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(packages["smallmines"] / "2024", tmp_path / "stripped" / "2024")).parent
    done = imported(copy, store, "smallmines")
    table = pd.read_parquet(done.versions[-1].path / "manifest.parquet")
    assert table["simulated"].all()
    assert done.versions[-1].facts["simulated"]
    out = done.versions[0].path
    assert patches.read_attributes(out)["channels"] == list(CHANNELS)
    assert np.array_equal(table["range"].sort_values().unique(), sorted(set(table["range"])))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_of_a_package_is_the_same_import_as_its_folder(
    packages: dict[str, Path], store: ArtifactStore, tmp_path: Path, suffix: str
) -> None:
    archive = tmp_path / f"sites{suffix}"
    ARCHIVES[suffix](packages["sites"], archive)
    first = take(packages["sites"], store)
    with opened_folder(archive) as folder:
        again = take(folder, store)
    assert [each.skipped for each in again.versions] == [True, True]
    assert [each.digest for each in again.versions] == [each.digest for each in first.versions]
