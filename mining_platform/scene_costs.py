"""What patches of single scenes take from services; patches of mosaics take nothing."""

import geopandas as gpd
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mining_platform.artifacts import Ref, current_digest, open_artifact
from mining_platform.dataset_rows import Dataset
from mining_platform.pipeline import Platform, Step, dataset_of
from mining_platform.profiles import profile
from mining_platform.regions import Region
from mining_platform.release_steps import scene_rule
from mining_platform.sources.protocol import Cost
from mining_platform.stages.files import SAMPLE_FILE


def cost_of_patches(platform: Platform, step: Step, key: str) -> tuple[Cost, bool]:
    """What cutting a region's patches takes, and whether that is an upper bound because the windows are not drawn yet.

    Of scenes, each window is read in each scene: every channel once, and twice what tells clouds. Scenes that do not touch a
    window are counted as if they did.
    """
    dataset = dataset_of(step, key)
    if dataset.sample_unit == "mosaic":
        return Cost(), False
    region, _ = platform.region_year(key)
    channels = profile(dataset.profile).channels
    boxes, at_most = _boxes(platform, dataset, region, key)
    wanted = (*channels, *scene_rule(region).layers)
    return platform.scenes.cost(region, scene_count(platform, key), wanted, boxes), at_most


def scene_count(platform: Platform, key: str) -> int:
    """Scenes of a region and year: those listed, else those that the source has now."""
    scenes = Ref("scenes", key)
    if current_digest(platform.artifacts, scenes) is not None:
        return int(open_artifact(platform.artifacts, scenes).facts["scene_count"])
    region, year = platform.region_year(key)
    return int(platform.scenes.fingerprint_scenes(region, year)["items"])


def _boxes(platform: Platform, dataset: Dataset, region: Region, key: str) -> tuple[list[GeoBox], bool]:
    """Grids of the windows; of as many anywhere as the dataset wants where they are not drawn yet."""
    sample = Ref(f"{dataset.id}/sample", key)
    if current_digest(platform.artifacts, sample) is None:
        bounds = region.geobox.boundingbox
        corners = [(bounds.left, bounds.top)] * sum(dataset.quotas.values())
    else:
        table = gpd.read_parquet(open_artifact(platform.artifacts, sample).path / SAMPLE_FILE)
        corners = list(zip(table["minx"].tolist(), table["maxy"].tolist(), strict=True))
    size, crs = dataset.pixel_m, CRS(f"EPSG:{region.epsg}")
    boxes = [GeoBox((dataset.px, dataset.px), Affine(size, 0, x, 0, -size, y), crs) for x, y in corners]
    return boxes, current_digest(platform.artifacts, sample) is None
