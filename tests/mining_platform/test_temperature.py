"""A channel that is no reflectance in mosaics: asked for by a profile, in kelvin in stores, files and statistics."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from mining_platform import mosaic_arrays, mosaic_exports, mosaics, zarr_arrays
from mining_platform.bands import as_values
from mining_platform.clouds.rules import CLOUD_RULES
from mining_platform.compositing.composites import compose_locally
from mining_platform.compositing.recipes import RECIPES, MosaicRecipe
from mining_platform.models.classifier import Normalisation, normalised
from mining_platform.mosaic_quality import evidence
from mining_platform.profiles import PROFILES
from mining_platform.region_options import region_of_bounds, with_scenes
from mining_platform.regions import Region, RegionError, required_scenes
from mining_platform.scenes import Scene
from mining_platform.sources import archive
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.stac_metadata.items import touches
from mining_platform.training_patches import channel_statistics
from tests.mining_platform.official_products import OLI, TM, Landsat, write_landsat
from tests.mining_platform.test_composites import scene
from tests.mining_platform.test_stac_items import LANDSAT, place_of, real_items
from tests.twin_landsat import region_of

CHANNELS = PROFILES["landsat-7"].channels
K300 = 44_177  # 300.0 K in steps of Collection 2
SCENES = {"source": "archive", "collection": "landsat-c2-l2"}
NIGHT = OLI.replace("L2SP", "L2SR")


def over(folder: Path, profile: str = "landsat-7") -> Region:
    return region_of(source="archive", place=str(folder), profile=profile)


def written(tmp_path: Path, *products: Landsat, profile: str = "landsat-7", year: int = 2024) -> tuple[Path, dict[str, Any]]:
    """The mosaic of products, and its facts."""
    for each in products:
        write_landsat(tmp_path / "products", each)
    place = over(tmp_path / "products", profile)
    channels = required_scenes(place).channels
    table = archive.list_scenes(place, year)
    facts = mosaics.compose(place, table, channels, tmp_path, recipe=RECIPES["qa-median"], blocks=None, source=archive)
    return tmp_path / mosaic_arrays.MOSAIC_NAME, facts


# Asking for it


def test_a_regions_profile_decides_the_channels_of_its_mosaics() -> None:
    plain = region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, SCENES, None)
    warm = region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, {**SCENES, "profile": "landsat-7"}, None)
    assert required_scenes(plain).channels == PROFILES["landsat-6"].channels
    assert required_scenes(warm).channels == CHANNELS
    assert "profile" not in required_scenes(plain).identity
    assert required_scenes(warm).identity["profile"] == "landsat-7"
    named = region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, {**SCENES, "profile": "landsat-6"}, None)
    assert required_scenes(named) == required_scenes(plain), "the collection's own profile is none of the region's"


@pytest.mark.parametrize("profile", ["s2-12", "smallmines-13", "s2-12+indices", "nonsense"])
def test_a_profile_of_other_sensors_is_refused_with_those_that_fit(profile: str) -> None:
    with pytest.raises(RegionError, match=r"field 'profile': unknown value '.*'\. Use one of: landsat-6, landsat-7\."):
        region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, {**SCENES, "profile": profile}, None)


def test_options_keep_the_profile_unless_they_name_another_collection() -> None:
    warm = region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, {**SCENES, "profile": "landsat-7"}, None)
    assert required_scenes(with_scenes(warm, 2024, {"source": "stac"})).channels == CHANNELS
    assert required_scenes(with_scenes(warm, 2024, {"profile": "landsat-6"})).channels == PROFILES["landsat-6"].channels
    assert required_scenes(with_scenes(warm, 2024, {"collection": "sentinel-2-l2a"})).channels == PROFILES["s2-12"].channels


# Products without it


def test_products_without_temperature_are_left_out_only_where_it_is_wanted(tmp_path: Path) -> None:
    write_landsat(tmp_path, Landsat(name=OLI.replace("20240601", "20240617")))
    (write_landsat(tmp_path, Landsat(name=NIGHT)) / f"{NIGHT}_ST_B10.TIF").unlink()
    found = {profile: list(archive.list_scenes(over(tmp_path, profile), 2024).scene_id) for profile in ("", "landsat-7")}
    assert len(found[""]) == 2
    assert found["landsat-7"] == [OLI.replace("20240601", "20240617")]


def test_an_archive_of_products_without_temperature_alone_says_why_it_has_no_scene(tmp_path: Path) -> None:
    write_landsat(tmp_path, Landsat(name=NIGHT))
    with pytest.raises(SourceError, match="the folder holds 1 without bands that are asked for"):
        archive.list_scenes(over(tmp_path), 2024)


def test_items_without_temperature_are_left_out_only_where_it_is_wanted() -> None:
    item = real_items(LANDSAT)[0]
    night = {**item, "properties": {**item["properties"], "landsat:correction": "L2SR"}}
    place = replace(place_of("landsat-c2-l2", "planetary-computer"), geometry=box(*item["bbox"]))
    warm = replace(place, scenes=replace(required_scenes(place), profile="landsat-7"))
    assert [touches(each, item, 2024) for each in (place, warm)] == [True, True]
    assert [touches(each, night, 2024) for each in (place, warm)] == [True, False]


# Mosaics with it


@pytest.mark.parametrize(("name", "band", "year"), [(OLI, "ST_B10", 2024), (TM, "ST_B6", 1998)])
def test_a_mosaic_holds_kelvin_beside_reflectance_and_says_so(tmp_path: Path, name: str, band: str, year: int) -> None:
    red = "SR_B4" if band == "ST_B10" else "SR_B3"
    path, facts = written(tmp_path, Landsat(name=name, values={band: K300, red: 10_909}), year=year)
    mosaic = mosaic_arrays.open_mosaic(path)
    image, _ = mosaic_arrays.read_window(mosaic, mosaic.geobox.boundingbox.bbox)
    assert facts["channels"] == list(CHANNELS)
    assert as_values("L-thermal", np.unique(image[CHANNELS.index("L-thermal")])) == pytest.approx([300.0], abs=0.01)
    assert as_values("L-red", np.unique(image[CHANNELS.index("L-red")])) == pytest.approx([0.1], abs=1e-6)
    attributes = zarr_arrays.group_attributes(path)
    assert (attributes["unit"], attributes["scale"], attributes["offset"]) == ("per band", 1.0, 0.0)
    rows = {row["id"]: (row["unit"], row["scale"], row["offset"]) for row in attributes["bands"]}
    assert (rows["L-red"], rows["L-thermal"]) == (("reflectance", 1e-4, 0.0), ("K", 0.00341802, 149.0))


def test_a_mosaic_of_reflectance_alone_keeps_its_one_scale(tmp_path: Path) -> None:
    path, _ = written(tmp_path, Landsat(), profile="")
    attributes = zarr_arrays.group_attributes(path)
    assert (attributes["unit"], attributes["scale"], attributes["offset"]) == ("reflectance", 1e-4, 0.0)


def test_a_pixel_without_temperature_is_a_gap_in_all_bands(tmp_path: Path) -> None:
    thermal = np.full((40, 40), K300)
    thermal[:10] = 0
    path, facts = written(tmp_path, Landsat(values={"ST_B10": thermal}))
    image, clear = mosaic_arrays.read_window(path, mosaic_arrays.open_mosaic(path).geobox.boundingbox.bbox)
    assert facts["gap_share"] == pytest.approx(0.25)
    assert not image[:, :30].any()
    assert (clear[:30] == 0).all()
    assert (image[:, 30:] > 0).all()


def test_a_cog_states_unit_scale_and_offset_of_each_band(tmp_path: Path) -> None:
    path, _ = written(tmp_path, Landsat(values={"ST_B10": K300}))
    mosaic_exports.write_cog(path, tmp_path / "m.tif")
    with rasterio.open(tmp_path / "m.tif") as cog:
        thermal = cog.descriptions.index("L-thermal")
        told = list(zip(cog.scales, cog.offsets, cog.units, strict=True))
        assert told[thermal] == (0.00341802, 149.0, "K")
        assert {told[place][:2] for place in range(7) if place != thermal} == {(1e-4, 0.0)}
        assert cog.read(thermal + 1).mean() * told[thermal][0] + told[thermal][1] == pytest.approx(300.0, abs=0.01)


def test_evidence_of_an_offset_is_sought_in_reflectance_alone(tmp_path: Path) -> None:
    path, _ = written(tmp_path, Landsat(values={"ST_B10": 1}))
    found = evidence(path)
    assert set(found["dark_dn"]) == set(found["floor_share"]) == set(CHANNELS) - {"L-thermal"}


class Days:
    """Three days on which reflectance points to the second and temperature to the first."""

    RED = (1_000, 2_000, 4_000)
    KELVIN = (44_000, 20_000, 60_000)

    def open_scene_band(self, _region: Any, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:  # noqa: ARG002
        values = self.KELVIN if band_id == "L-thermal" else self.RED
        return np.full(geobox.shape, values[int(scene.scene_id[1:])], np.uint16)


def test_the_medoid_is_nearest_in_reflectance_and_takes_that_days_temperature(tmp_path: Path) -> None:
    recipe = MosaicRecipe("medoid", "none", "medoid", None, "nearest", "for this test")
    assert CLOUD_RULES[recipe.clouds].method == "none"
    place = over(tmp_path)
    made = compose_locally(Days(), place, [scene(day) for day in range(3)], ("L-red", "L-thermal"), place.geobox, recipe)  # type: ignore[arg-type]
    assert [np.unique(band).tolist() for band in made.image] == [[2_000], [20_000]]


# Statistics of it


def test_statistics_and_what_models_see_are_in_the_channels_own_unit() -> None:
    images = np.array([[[[K300, K300 + 200, 0]]]], np.uint16)
    kelvin = as_values("L-thermal", images[0, 0, 0, :2])
    found = channel_statistics([images], ("L-thermal",))
    assert found.mean == (pytest.approx(float(kelvin.mean()), abs=1e-4),)
    assert found.std == (pytest.approx(float(kelvin.std()), abs=1e-4),)
    assert normalised(images, Normalisation(("L-thermal",), (300.0,), (2.0,))).numpy().ravel().tolist() == pytest.approx(
        [(kelvin[0] - 300) / 2, (kelvin[1] - 300) / 2, 0], abs=2e-3
    )


def test_reflectance_of_landsat_has_the_statistics_of_what_is_stored(tmp_path: Path) -> None:
    path, _ = written(tmp_path, Landsat(values={"SR_B4": 10_909}), profile="")
    image, _ = mosaic_arrays.read_window(path, mosaic_arrays.open_mosaic(path).geobox.boundingbox.bbox)
    assert channel_statistics([image[None]], PROFILES["landsat-6"].channels).mean[2] == pytest.approx(0.1)
