"""SmallMinesDS as others have it: names with and without GH, pairs, nodata, units, splits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mining_platform import patches, profiles
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact, records
from mining_platform.imports.findings import PatchImportError
from tests.mining_platform.import_folders import PX, ground, imported, mask, stack, write_smallmines, write_splits, write_tif

STORE_2016, TABLE_2016 = Ref("imported/patches", "given|ashanti|2016"), Ref("imported/manifest", "given|2016")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def table_of(store: ArtifactStore, year: int = 2016) -> pd.DataFrame:
    path = open_artifact(store, Ref("imported/manifest", f"given|{year}")).path
    return pd.read_parquet(path / "manifest.parquet").set_index("place")


def texts(done: object) -> str:
    return " | ".join(finding.line for finding in done.findings)  # type: ignore[attr-defined]


def test_stacks_and_masks_become_a_store_a_year_in_the_channels_of_the_layout(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 0, 2022: 9}, 2: {2016: 21, 2022: 21}})
    done = imported(folder, store, "smallmines")
    assert [str(each.ref) for each in done.versions] == [
        "imported/patches@given|ashanti|2016",
        "imported/patches@given|ashanti|2022",
        "imported/manifest@given|2016",
        "imported/manifest@given|2022",
    ]
    out = open_artifact(store, STORE_2016).path
    attributes = patches.read_attributes(out)
    assert attributes["channels"] == list(profiles.PROFILES["smallmines-13"].channels)
    assert (attributes["px"], attributes["epsg"], attributes["unit"]) == (PX, 32630, "per band")
    image = patches.read_images(out, [0])[0]
    assert (image[:10] == stack(1)[:10]).all()
    rows = {row["id"]: row for row in attributes["bands"]}
    for number, channel in enumerate(attributes["channels"]):
        physical = image[number] * rows[channel]["scale"] + rows[channel]["offset"]
        expected = stack(1)[number] * (1e-4 if number < 10 else 1)
        assert np.abs(physical - expected).max() <= rows[channel]["scale"] / 2 + 1e-6
    assert (patches.read_labels(out, [1])[0] == mask(21)).all()


def test_the_table_tells_share_range_and_ground_of_the_pixels_with_a_class(tmp_path: Path, store: ArtifactStore) -> None:
    imported(write_smallmines(tmp_path / "small", {1: {2016: 0}, 2: {2016: 21}}), store, "smallmines")
    table = table_of(store)
    assert table.loc["2", "share"] == 21 / 63
    assert table["range"].to_dict() == {"1": "000", "2": "030_040"}
    assert table["is_mining"].to_dict() == {"1": False, "2": True}
    assert table.loc["2", "valid_share"] == 63 / 64
    assert table.loc["2", ["epsg", "minx", "maxy"]].tolist() == [32630, 602_000, 700_000]
    assert table.loc["2", "lon"] == pytest.approx(-2.077, abs=0.01)
    assert table["patch_id"].to_dict() == {"1": "IMG_GH_0001_2016", "2": "IMG_GH_0002_2016"}


def test_a_second_import_of_the_same_files_changes_nothing_wherever_they_lie(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}})
    first = imported(folder, store, "smallmines")
    (tmp_path / "elsewhere").mkdir()
    again = imported(folder.rename(tmp_path / "elsewhere" / "small"), store, "smallmines")
    assert [each.skipped for each in first.versions] == [False, False]
    assert [each.skipped for each in again.versions] == [True, True]
    assert [each.digest for each in first.versions] == [each.digest for each in again.versions]
    (record,) = records(store, TABLE_2016)
    assert [each.asset for each in record.inputs] == ["imported/patches"]
    assert str(tmp_path) not in str(record.configuration) + str(first.versions[0].facts)


@pytest.mark.parametrize(("gh", "image"), [(True, "image"), (False, "Image"), (False, "IMAGE")])
def test_names_with_and_without_gh_and_folders_in_any_case_are_one_tile(
    tmp_path: Path, store: ArtifactStore, gh: bool, image: str
) -> None:
    folder = write_smallmines(tmp_path / "small", {7: {2016: 3}}, gh=gh, image=image)
    other = "" if gh else "GH_"
    masks = folder / "2016" / "MASK"
    next(masks.iterdir()).rename(masks / f"MASK_{other}0007_2016.tif")
    imported(folder, store, "smallmines")
    assert table_of(store).loc["7", "share"] == 3 / 63


def test_int16_and_float32_stacks_give_the_same_store(tmp_path: Path) -> None:
    digests = []
    for dtype in ("int16", "float32"):
        store = ArtifactStore(tmp_path / f"artifacts-{dtype}")
        whole = np.round(stack(1)).astype(dtype)
        folder = write_smallmines(tmp_path / dtype / "small", {1: {2016: 3}}, dtype=dtype)
        write_tif(folder / "2016" / "IMAGE" / "IMG_GH_0001_2016.tif", whole, nodata=-9999)
        imported(folder, store, "smallmines")
        digests.append(patches.read_images(open_artifact(store, STORE_2016).path, [0]))
    assert (digests[0] == digests[1]).all()


def test_nodata_of_the_file_minus_9999_and_nan_are_no_data(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}})
    values = stack(1)
    values[:, 0, 0], values[:, 0, 1], values[3, 0, 2] = np.nan, -9999, np.nan
    write_tif(folder / "2016" / "IMAGE" / "IMG_GH_0001_2016.tif", values)
    imported(folder, store, "smallmines")
    image = patches.read_images(open_artifact(store, STORE_2016).path, [0])[0]
    assert (image[:, 0, :2] == 0).all()
    assert (image[:, 0, 2] == 0).tolist() == [number == 3 for number in range(13)]
    assert table_of(store).loc["1", "masked_share"] == 2 / 64


def test_pairs_that_are_missing_are_named_and_left_out(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}, 2: {2016: 3}, 3: {2016: 3}})
    (folder / "2016" / "MASK" / "MASK_GH_0002_2016.tif").unlink()
    (folder / "2016" / "IMAGE" / "IMG_GH_0003_2016.tif").unlink()
    done = imported(folder, store, "smallmines")
    assert "1 stacks without a mask are left out: 2016/IMAGE/IMG_GH_0002_2016.tif" in texts(done)
    assert "1 masks without a stack are left out: 2016/MASK/MASK_GH_0003_2016.tif" in texts(done)
    assert list(table_of(store).index) == ["1"]


def test_the_published_split_is_kept_joined_by_tile_and_year_and_its_leaks_are_told(tmp_path: Path, store: ArtifactStore) -> None:
    tiles = {tile: {2016: 3 + tile, 2022: 4 + tile} for tile in (1, 2, 3)}
    folder = write_smallmines(tmp_path / "small", tiles)
    sides = {2016: ("train", "test", "train"), 2022: ("test", "test", "training")}
    for year, names in sides.items():
        forms = (f"IMG_0001_{year}.tif", f"IMG_GH_0002_{year}", f"MASK_GH_3_{year}")
        percents = [round(100 * tiles[tile][year] / 63, 1) for tile in (1, 2, 3)]
        write_splits(folder / f"splits_{year}.csv", list(zip(forms, percents, names, strict=True)))
    done = imported(folder, store, "smallmines")
    assert table_of(store, 2016)["published_split"].to_dict() == {"1": "train", "2": "test", "3": "train"}
    assert table_of(store, 2022)["split"].to_dict() == {"1": "test", "2": "test", "3": "train"}
    assert "1 places are on two sides of the published split (same_place_other_year); the split is kept: 1" in texts(done)
    facts = open_artifact(store, TABLE_2016).facts["leakage"]
    assert facts["same_place_other_year"] == 1  # the side of tile 3 is spelled in two ways
    assert "share differs" not in texts(done)


def test_percentages_that_differ_from_the_mask_are_told(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 21}, 2: {2016: 21}})
    write_splits(folder / "splits.csv", [("IMG_GH_0001_2016", 33.3, "train"), ("IMG_GH_0002_2016", 41.0, "train")])
    done = imported(folder, store, "smallmines")
    assert (
        "1 patches have another share of mining in their label than was published; the label counts: IMG_GH_0002_2016"
        in texts(done)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("twice", r"Tile 1 of 2016 occurs twice, as 2016/IMAGE/IMG_0001_2016.tif and 2016/IMAGE/IMG_GH_0001_2016.tif"),
        ("other year", r"2016/IMAGE/IMG_GH_0009_2017.tif lies in the folder 2016 and is called 2017"),
        ("mask value", r"MASK_GH_0001_2016.tif has the values \[3, 253\]"),
        ("bands", r"has 12 bands, and nothing says which"),
        ("too high", r"S1-VV holds 400, and -79.998 to 51.07 dB can be stored"),
        ("linear", r"1 images have Sentinel-1 values of 0 and more only.*--keep units"),
        ("no tif", r"IMG_GH_0001_2016.tif is no GeoTIFF that can be read"),
        ("vrt", r"IMG_GH_0001_2016.tif is no GeoTIFF that can be read"),
        ("ground", r"lie on different ground"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name_and_leaves_nothing(
    tmp_path: Path, store: ArtifactStore, change: str, message: str
) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}})
    image, values = folder / "2016" / "IMAGE" / "IMG_GH_0001_2016.tif", stack(1)
    match change:
        case "twice":
            write_tif(image.with_name("IMG_0001_2016.tif"), values)
        case "other year":
            write_tif(image.with_name("IMG_GH_0009_2017.tif"), values)
        case "mask value":
            write_tif(folder / "2016" / "MASK" / "MASK_GH_0001_2016.tif", mask(3) * 3)
        case "bands":
            write_tif(image, values[:12])
        case "too high":
            values[10] = 400
            write_tif(image, values)
        case "linear":
            values[10:12] = 0.07
            write_tif(image, values)
        case "no tif":
            image.write_bytes(b"no tif")
        case "vrt":
            image.write_text('<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>')
        case "ground":
            write_tif(folder / "2016" / "MASK" / "MASK_GH_0001_2016.tif", mask(3), place=ground(2))
    with pytest.raises(PatchImportError, match=message):
        imported(folder, store, "smallmines")
    assert not store.root.exists()


def test_rounding_is_told_by_unit(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}})
    values = stack(1)
    values[11, 0, 0], values[12, 0, 0] = -17.3013, 200.07
    write_tif(folder / "2016" / "IMAGE" / "IMG_GH_0001_2016.tif", values)
    imported(folder, store, "smallmines")
    rounding = open_artifact(store, TABLE_2016).facts["rounding"]
    assert rounding["dB"] == pytest.approx(0.001, abs=1e-6)
    assert rounding["m"] == pytest.approx(0.07, abs=1e-3)
    assert rounding["reflectance"] < 1e-9


def test_a_version_that_was_damaged_on_disk_is_made_again(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3}})
    first = imported(folder, store, "smallmines")
    index = first.versions[0].path / "patches.parquet"
    index.chmod(0o644)
    content = bytearray(index.read_bytes())
    content[50] ^= 1
    index.write_bytes(content)
    again = imported(folder, store, "smallmines")
    assert [each.skipped for each in again.versions] == [False, True]
    assert [each.digest for each in again.versions] == [each.digest for each in first.versions]
    open_artifact(store, STORE_2016)
