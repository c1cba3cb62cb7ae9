"""Labels of cloud, mining and background: the rule, the images it is applied to, and the pictures it becomes."""

import io
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from PIL import Image
from rasterio.io import MemoryFile

from mining_platform.imports.site_labels import read_site_label
from mining_platform.ingest.cloud_stacks import bands_of, opened_image
from mining_platform.ingest.pixels import IngestError
from mining_platform.labels.image_labels import Choice, chosen_polygons, map_label, polygons_label, three_class_label
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.label_rasters import label_tiff
from mining_platform.labels.palette_pngs import palette_png
from mining_platform.labels.recipes import NO_LABEL, recipe
from mining_platform.labels.three_class import three_class
from tests.conftest import REALDATA
from tests.mining_platform.polygon_files import EPSG, TURNED, grid, landsat_stack, pixels, write_geojson, write_image

THREE = recipe("three-class")
PIT = gpd.GeoDataFrame(geometry=[pixels(slice(5, 15), slice(5, 15))], crs=4326)


# The rule


@pytest.mark.parametrize(
    ("inside", "ndvi", "cloud", "label"),
    [
        (False, 0.2, False, 0),
        (False, 0.8, False, 0),
        (False, np.nan, False, 0),
        (False, 0.2, True, 1),
        (False, 0.8, True, 1),
        (True, 0.2, False, 2),
        (True, 0.5, False, 2),  # strictly greater
        (True, np.float32(0.50001), False, 0),
        (True, 0.8, False, 0),
        (True, -1.0, False, 2),
        (True, np.nan, False, 2),  # zero denominator: no vegetation
        (True, 0.2, True, 1),
        (True, 0.8, True, 1),
        (True, np.nan, True, 1),
    ],
)
def test_the_truth_table_of_three_classes(inside: bool, ndvi: float, cloud: bool, label: int) -> None:
    found = three_class(np.array([inside]), np.array([ndvi], np.float32), np.array([cloud]))
    assert (found.dtype, found.tolist()) == (np.uint8, [label])


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("cloud", [False, True])
def test_what_was_not_seen_has_no_class(inside: bool, cloud: bool) -> None:
    unseen = three_class(np.array([inside]), np.array([0.2]), np.array([cloud]), observed=np.array([False]))
    assert unseen.tolist() == [NO_LABEL]


# Images


def labelled(path: Path, order: str = "landsat-4-7", cloud_band: int | None = None, scaling: tuple[float, float] | None = None):  # noqa: ANN201
    with opened_image(path) as stack:
        return three_class_label(stack, bands_of(stack, order, cloud_band), PIT, THREE, "a.kml", scaling=scaling)


def test_an_image_of_eight_bands_has_cloud_over_mining_over_background(tmp_path: Path) -> None:
    cloud = np.zeros((20, 20), np.uint16)
    cloud[:7] = 1
    label, notes = labelled(write_image(tmp_path / "a.tif", landsat_stack(cloud=cloud)))
    expected = np.zeros((20, 20), np.uint8)
    expected[5:15, 5:10] = 2  # the right half has NDVI 0.8
    expected[:7] = 1
    np.testing.assert_array_equal(label, expected)
    assert notes == ("50 of 100 pixels inside the polygons have an NDVI above 0.5 and are no mining.",)


def test_a_turned_image_has_the_label_of_its_own_pixels(tmp_path: Path) -> None:
    polygons = gpd.GeoDataFrame(geometry=[pixels(slice(5, 15), slice(5, 15), TURNED)], crs=4326)
    with opened_image(write_image(tmp_path / "a.tif", landsat_stack(), TURNED)) as stack:
        label, _ = three_class_label(stack, bands_of(stack, "landsat-4-7", None), polygons, THREE, "a.kml", scaling=None)
    assert (label[5:15, 5:10] == 2).all()
    assert (label == 2).sum() == 50


@pytest.mark.parametrize("order", ["landsat-8-9", "red=4,nir=5,cloud=8"])
def test_the_same_ground_has_the_same_label_in_the_numbering_of_landsat_8(tmp_path: Path, order: str) -> None:
    tm = landsat_stack()
    oli = np.concatenate([tm[:1], tm[:5], tm[6:]])
    label, _ = labelled(write_image(tmp_path / "a.tif", oli), order)
    theirs, _ = labelled(write_image(tmp_path / "b.tif", tm))
    np.testing.assert_array_equal(label, theirs)
    wrong, _ = labelled(tmp_path / "a.tif")
    assert not np.array_equal(wrong, theirs), "the wrong numbering would show"


def test_bands_are_found_by_their_descriptions(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", landsat_stack()[[3, 2, 7]])
    with rasterio.open(path, "r+") as out:
        out.descriptions = ("L-nir", "red", "cloud")
    label, _ = labelled(path, "")
    assert (label == 2).sum() == 50
    with opened_image(path) as stack:
        found = bands_of(stack, "", None)
        assert (dict(found.number_of), found.cloud) == ({"red": 2, "nir": 1}, 3)
        assert bands_of(stack, "", 0).cloud is None
    with rasterio.open(path, "r+") as out:
        out.descriptions = ("SR_B4", "SR_B3", "cloud")  # near infrared and red of Landsat 5, red and green of Landsat 8
    with opened_image(path) as stack, pytest.raises(IngestError, match="Nothing says which band"):
        bands_of(stack, "", None)


def test_an_offset_of_the_numbers_is_taken_off_before_vegetation_is_told(tmp_path: Path) -> None:
    stack = landsat_stack()
    stack[3, :, 10:] = 5_000
    stack[[2, 3]] = np.round((stack[[2, 3]] / 10_000 + 0.2) / 2.75e-5).astype(np.uint16)  # as Collection 2 has it
    path = write_image(tmp_path / "a.tif", stack)
    assert (labelled(path)[0] == 2).sum() == 100, "read as they are, forest does not reach 0.5"
    assert (labelled(path, scaling=(2.75e-5, -0.2))[0] == 2).sum() == 50
    with rasterio.open(path, "r+") as out:
        out.scales, out.offsets = [2.75e-5] * 8, [-0.2] * 8
    assert (labelled(path)[0] == 2).sum() == 50, "by what the file itself says"


def test_pixels_without_data_have_no_class_and_their_cloud_says_nothing(tmp_path: Path) -> None:
    stack = landsat_stack()
    stack[:, :2] = 65_535
    stack[2, 7, 7] = 65_535
    label, _ = labelled(write_image(tmp_path / "a.tif", stack, nodata=65_535))
    assert (label[:2] == NO_LABEL).all()
    assert label[7, 7] == NO_LABEL
    assert (label == NO_LABEL).sum() == 41


@pytest.mark.parametrize("value", [2, 255])
def test_a_cloud_band_of_other_values_is_refused(tmp_path: Path, value: int) -> None:
    cloud = np.zeros((20, 20), np.uint16)
    cloud[4, 9] = value
    with pytest.raises(IngestError, match=rf"a\.tif: the cloud band \(8\) has the value {value} at column 9, row 4; it holds 0"):
        labelled(write_image(tmp_path / "a.tif", landsat_stack(cloud=cloud)))


def test_without_a_cloud_band_nothing_is_cloud_and_that_is_said(tmp_path: Path) -> None:
    label, notes = labelled(write_image(tmp_path / "a.tif", landsat_stack()[:7]))
    assert not (label == 1).any()
    assert notes[-1] == "a.tif has no cloud band, so nothing is labelled cloud."


@pytest.mark.parametrize(
    ("order", "cloud_band", "message"),
    [
        (
            "",
            None,
            r"Nothing says which band of a\.tif is what. Name the order with --bands: landsat-4-7, landsat-8-9, a profile",
        ),
        ("sentinel", None, "--bands sentinel: no such order"),
        ("s2-12", None, "a.tif has 8 bands, the order s2-12 12 and perhaps cloud"),
        ("red=3,nir=x", None, "--bands 'nir=x': write each role once, as red=3; roles are blue, "),
        ("red=3,red=4", None, "--bands 'red=4': write each role once"),
        ("red=3,nir=9", None, "a.tif has 8 bands, and no band 9"),
        ("landsat-4-7", 9, "a.tif has 8 bands, and no band 9"),
        ("landsat-4-7", 3, "band 3 cannot be both red and the cloud mask"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(tmp_path: Path, order: str, cloud_band: int | None, message: str) -> None:
    with (
        opened_image(write_image(tmp_path / "a.tif", landsat_stack())) as stack,
        pytest.raises(IngestError, match=message),
    ):
        bands_of(stack, order, cloud_band)


def test_a_stack_without_near_infrared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"a\.tif has no band of the role nir; it has red"):
        labelled(write_image(tmp_path / "a.tif", landsat_stack()), "red=3")


def test_an_image_without_a_place_on_the_ground_is_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", landsat_stack(), epsg=None)
    with pytest.raises(IngestError, match=r"a\.tif has no CRS or no place in it"), opened_image(path):
        pass
    with pytest.raises(IngestError, match="cannot be read as a GeoTIFF: there is no file"), opened_image(tmp_path / "b.tif"):
        pass


def test_an_image_whose_polygons_nothing_tells_is_refused(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "a.geojson", [({"site": "Serra"}, PIT.geometry[0])])
    with pytest.raises(LabelError, match=r"Nothing says which polygons of a\.geojson are the image's. Name its --site"):
        chosen_polygons(Choice(path), THREE)
    assert len(chosen_polygons(Choice(path, site="serra"), THREE)[0]) == 1
    assert len(chosen_polygons(Choice(path), recipe("published-detections"))[0]) == 1


def test_polygons_alone_and_maps_have_the_same_values(tmp_path: Path) -> None:
    with opened_image(write_image(tmp_path / "a.tif", landsat_stack())) as stack:
        label, _ = polygons_label(stack, PIT, recipe("polygons"), "a.kml")
    assert (np.unique(label).tolist(), (label == 2).sum()) == ([0, 2], 100)
    assert map_label(np.array([True, False, False]), np.array([True, True, False])).tolist() == [2, 0, NO_LABEL]


# Files


def test_the_picture_has_one_channel_viridis_colours_and_is_read_back_by_the_importer(tmp_path: Path) -> None:
    label = np.array([[0, 1], [2, 255]], np.uint8)
    content = palette_png(label, "Label by the recipe three-class, version 1")
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.mode, picture.info["Description"]) == ("P", "Label by the recipe three-class, version 1")
        assert np.asarray(picture).tolist() == label.tolist()
        assert np.asarray(picture.convert("RGB"))[0].tolist() == [[68, 1, 84], [32, 144, 140]]
        assert np.asarray(picture.convert("RGB"))[1, 0].tolist() == [253, 231, 36]
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(read_site_label(tmp_path, "a.png"), label)
    assert palette_png(label.copy(), "Label by the recipe three-class, version 1") == content
    with pytest.raises(ValueError, match=r"A label has the values \[7\]"):
        palette_png(np.array([[7]], np.uint8), "")


def test_the_geotiff_lies_where_the_image_lies_and_names_its_recipe() -> None:
    label = np.zeros((20, 20), np.uint8)
    label[3, 4] = 2
    with MemoryFile(label_tiff(label, grid(TURNED), THREE)) as memory, memory.open() as raster:
        assert (raster.crs.to_epsg(), raster.nodata) == (EPSG, NO_LABEL)
        assert raster.transform.almost_equals(TURNED)
        assert raster.colormap(1)[2] == (253, 231, 36, 255)
        assert (raster.tags()["RECIPE"], raster.tags()["RECIPE_VERSION"]) == ("three-class", "1")
        np.testing.assert_array_equal(raster.read(1), label)


# Real files


def real(folder: str) -> Path:
    path = REALDATA / folder
    if not path.exists():
        pytest.skip(f"the real files {path} are absent; set MINING_PLATFORM_REALDATA")
    return path


def centres_inside(polygons: gpd.GeoDataFrame, box: GeoBox) -> np.ndarray:
    """Pixels whose centre lies in a polygon, asked one by one."""
    rows, columns = np.indices(box.shape) + 0.5
    x, y = box.affine.c + box.affine.a * columns, box.affine.f + box.affine.e * rows
    return shapely.contains_xy(polygons.to_crs(box.crs.epsg).union_all(), x, y)


def real_landsat(out: Path) -> Path:
    """The real scene of Landsat 5 as an image of eight bands, with cloud over its upper left corner."""
    layers = []
    for number in range(1, 8):
        with rasterio.open(real("landsat5-para-polygons") / f"LT52240631988227CUB02_B{number}.TIF") as source:
            layers.append(source.read(1))
            profile = {"transform": source.transform, "crs": source.crs, "nodata": source.nodata, "dtype": "uint8"}
    layers.append(np.zeros_like(layers[0]))
    layers[-1][:40, :60] = 1
    height, width = layers[0].shape
    with rasterio.open(out, "w", driver="GTiff", count=8, height=height, width=width, **profile) as raster:
        raster.write(np.stack(layers))
    return out


@pytest.mark.parametrize(
    ("name", "inside", "mining"),
    [("forest", 2_271, 4), ("cleared", 1_124, 491), ("water", 795, 795)],
)
def test_real_forest_is_taken_out_of_the_mask_and_water_is_not(tmp_path: Path, name: str, inside: int, mining: int) -> None:
    polygons, _ = chosen_polygons(Choice(real("landsat5-para-polygons") / "training_polygons.kml", site=name), THREE)
    with opened_image(real_landsat(tmp_path / "a.tif")) as stack:
        label, _ = three_class_label(stack, bands_of(stack, "landsat-4-7", None), polygons, THREE, "a.kml", scaling=None)
        drawn, _ = polygons_label(stack, polygons, recipe("polygons"), "a.kml")
    assert (label[:40, :60] == 1).all()
    assert (label == 1).sum() == 2_400
    np.testing.assert_array_equal(drawn == 2, centres_inside(polygons, stack.grid))
    assert ((drawn == 2).sum(), (label == 2).sum()) == (inside, mining)


def test_real_sentinel_2_has_its_village_bare_and_its_forest_green() -> None:
    folder = real("trombetas-s2-srtm-polygons")
    shares = {}
    for name in ("village", "forest"):
        polygons, _ = chosen_polygons(Choice(folder / "training_polygons.kml", site=name), THREE)
        with opened_image(folder / "sen2_12band.tif") as stack:
            found = bands_of(stack, "", None)  # the file names its bands as Earth Engine does
            assert dict(found.number_of) == dict(bands_of(stack, "s2-12", None).number_of)
            label, _ = three_class_label(stack, found, polygons, THREE, "a.kml", scaling=(1, -0.1))
            drawn, _ = polygons_label(stack, polygons, recipe("polygons"), "a.kml")
        shares[name] = float((label == 2).sum() / (drawn == 2).sum())
    assert shares["forest"] == 0
    assert shares["village"] > 0.5
