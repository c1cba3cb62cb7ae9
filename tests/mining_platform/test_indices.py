"""Indices by band role, the channels made of them, and Landsat's thermal band."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from mining_platform import bands, index_images, indices, profiles
from mining_platform.labels.recipes import RECIPES
from mining_platform.regions import required_scenes
from mining_platform.scenes import harmonised
from mining_platform.sources.archives.landsat import metadata_groups
from mining_platform.sources.protocol import SourceError
from tests.conftest import REALDATA, ROOT
from tests.mining_platform.official_products import Landsat, write_landsat
from tests.mining_platform.test_archive import at, composed, listed
from tests.mining_platform.test_stac_items import LANDSAT, real_items, scene_of

SPECTRUM = {"blue": 0.05, "green": 0.1, "red": 0.1, "nir": 0.3, "swir1": 0.2, "swir2": 0.1}
KNOWN = {
    "NDVI": (0.3 - 0.1) / (0.3 + 0.1),
    "NDWI": (0.1 - 0.3) / (0.1 + 0.3),
    "MNDWI": (0.1 - 0.2) / (0.1 + 0.2),
    "BSI": (0.2 + 0.1 - 0.3 - 0.05) / (0.2 + 0.1 + 0.3 + 0.05),
    "NBR": (0.3 - 0.1) / (0.3 + 0.1),
    "NDMI": (0.3 - 0.2) / (0.3 + 0.2),
}


def pixels(profile: str, spectrum: dict[str, float] = SPECTRUM) -> dict[str, np.ndarray]:
    """One pixel of a spectrum by the channels of a profile; bands of other roles have 0.9."""
    return {
        name: np.array([spectrum.get(bands.band(name).role, 0.9)], np.float32) for name in profiles.PROFILES[profile].channels
    }


@pytest.mark.parametrize("profile", ["s2-12", "landsat-6", "landsat-7"])
@pytest.mark.parametrize("name", KNOWN)
def test_an_index_has_its_formula_s_value_on_every_sensor(name: str, profile: str) -> None:
    assert index_images.index_of(name, pixels(profile)) == pytest.approx(KNOWN[name], abs=1e-6)


def test_every_index_has_a_known_answer_here_and_says_where_it_comes_from() -> None:
    assert set(KNOWN) == set(indices.INDICES)
    assert all(any(year in row.citation for year in ("1974", "1996", "2002", "2006")) for row in indices.INDICES.values())
    assert indices.INDICES["BSI"].formula == "(swir1 + red - nir - blue) / (swir1 + red + nir + blue)"


def test_a_zero_denominator_and_no_data_have_no_index_and_noise_stays_within_one() -> None:
    nir, red = np.array([0.0, np.nan, 0.3, 0.02, -0.02]), np.array([0.0, 0.1, np.nan, -0.01, 0.01])
    found = index_images.index_of("NDVI", {"B08": nir, "B04": red})
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([np.nan, np.nan, np.nan, 1, 1], np.float32))


def test_an_index_without_its_bands_names_the_role_that_lacks() -> None:
    with pytest.raises(KeyError, match="NDVI needs a channel of the role 'nir'; given are B04, B03"):
        index_images.index_of("NDVI", {"B04": np.zeros(1), "B03": np.zeros(1)})
    with pytest.raises(KeyError, match=r"Unknown index 'EVI'; known: NDVI, .*mining_platform/indices\.py"):
        index_images.index_of("EVI", {})


def test_an_index_survives_being_stored_to_half_a_ten_thousandth() -> None:
    values = np.array([-1, -0.33333, 0, 0.5, 1, np.nan], np.float32)
    numbers = bands.as_stored("NDVI", values)
    assert numbers.tolist() == [1, 6668, 10_001, 15_001, 20_001, 0]
    np.testing.assert_allclose(bands.as_values("NDVI", numbers), values, atol=5.1e-5)


def test_a_new_index_is_one_row() -> None:
    program = """
import numpy as np
from mining_platform import indices
indices.INDICES["GNDVI"] = indices.Index("GNDVI", "Chlorophyll", ("nir",), ("green",), "Gitelson, Kaufman and Merzlyak 1996")
from mining_platform import bands, index_images, profiles
assert bands.band("GNDVI").role == "gndvi" and profiles.PROFILES["s2-12+indices"].channels[-1] == "GNDVI"
values = index_images.index_of("GNDVI", {"L-green": np.array([0.1]), "L-nir": np.array([0.3])})
print(bands.as_stored("GNDVI", values).tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[15001]"


def test_the_swir_composite_shows_forest_green_soil_magenta_and_no_data_black() -> None:
    swir2, nir, red = np.array([[0.05, 0.4, np.nan]]), np.array([[0.4, 0.2, 0.2]]), np.array([[0.02, 0.3, 0.1]])
    shown = index_images.composite_uint8("SWIR", {"B12": swir2, "B08": nir, "B04": red})
    assert shown.tolist() == [[[32, 255, 13], [255, 128, 191], [0, 0, 0]]]
    with pytest.raises(KeyError, match="Unknown composite 'CIR'; known: SWIR"):
        index_images.composite_uint8("CIR", {})


def test_profiles_have_the_bands_that_their_names_say() -> None:
    assert [bands.band(name).role for name in profiles.PROFILES["landsat-7"].channels] == [
        *("blue", "green", "red", "nir", "swir1", "thermal", "swir2")
    ]
    assert set(profiles.PROFILES["s2-13"].channels) - set(profiles.PROFILES["s2-12"].channels) == {"B10"}
    assert profiles.PROFILES["s2-13"].channels[10] == "B10"
    assert profiles.PROFILES["s2-12+indices"].channels == (*profiles.PROFILES["s2-12"].channels, *indices.INDICES)


def test_temperature_is_in_kelvin_by_the_scale_of_collection_2() -> None:
    assert bands.as_values("L-thermal", np.array([0, 1, 44_177], np.uint16)) == pytest.approx(
        [np.nan, 149.0, 300.0], abs=0.01, nan_ok=True
    )


def test_the_thermal_band_is_found_under_the_names_of_both_instruments() -> None:
    item = real_items(LANDSAT)[0]
    assert scene_of(item, "landsat-c2-l2", "planetary-computer").hrefs["L-thermal"].endswith("ST_B10.TIF")
    assets = {("lwir" if name == "lwir11" else name): asset for name, asset in item["assets"].items()}
    assert scene_of({**item, "assets": assets}, "landsat-c2-l2", "planetary-computer").hrefs["L-thermal"].endswith("ST_B10.TIF")


def test_a_landsat_item_whose_temperature_has_another_scale_is_refused() -> None:
    item = real_items(LANDSAT)[0]
    wrong = {**item["assets"]["lwir11"], "raster:bands": [{"scale": 0.1, "offset": 0}]}
    with pytest.raises(
        SourceError, match=r"states scale 0\.1 .* band L-thermal, where Landsat Collection 2 has 0\.00341802 and 149"
    ):
        scene_of({**item, "assets": {**item["assets"], "lwir11": wrong}}, "landsat-c2-l2", "planetary-computer")


def test_the_real_mtl_numbers_its_bands_as_the_table_does() -> None:
    folder = REALDATA / "landsat5-para-polygons"
    path = next(folder.glob("*_MTL.txt"), None)
    if path is None:
        pytest.skip(f"the real scene {folder} is absent; set MINING_PLATFORM_REALDATA")
    groups = metadata_groups(path.read_bytes(), path.name)
    assert groups["PRODUCT_METADATA"]["SENSOR_ID"] == "TM"
    ours = [bands.provider_name(name, "landsat-tm") or "" for name in profiles.PROFILES["landsat-7"].channels]
    files = [groups["PRODUCT_METADATA"][f"FILE_NAME_BAND_{number}"] for number in range(1, 8)]
    assert [name.rpartition("_B")[2] for name in ours] == [name.removesuffix(".TIF").rpartition("_B")[2] for name in files]
    values = {}
    for channel, name in zip(profiles.PROFILES["landsat-7"].channels, files, strict=True):
        with rasterio.open(folder / name) as source:
            values[channel] = source.read(1).astype(np.float32)
    assert np.nanmedian(index_images.index_of("NDVI", values)) > 0.6, "the scene is mostly forest"
    assert (index_images.index_of("NDVI", values)[values["L-nir"] < 10] < 0).all(), "what is black in near infrared is water"


def test_a_temperature_goes_through_a_mosaic_as_it_is(tmp_path: Path) -> None:
    write_landsat(tmp_path, Landsat(values={"ST_B10": 44_177}))
    place = at(tmp_path, "landsat-c2-l2", "qa-median")
    (scene,) = listed(place, 2024)
    assert harmonised(np.array([44_177], np.uint16), scene).tolist() == [10_149], "which no temperature may become"
    made = composed(replace(place, scenes=replace(required_scenes(place), profile="landsat-7")), 2024)
    assert np.unique(made.image[5, 5:-5, 5:-5]).tolist() == [44_177]


def test_the_document_has_every_index_with_its_formula_and_every_label_recipe() -> None:
    text = (ROOT / "docs" / "labels.md").read_text()
    assert [row.id for row in indices.INDICES.values() if f"| {row.id} | `{row.formula}` |" not in text] == []
    assert [row.id for row in RECIPES.values() if f"| `{row.id}` | `{row.kind}` |" not in text] == []
