"""Datasets are rows: regions, years, patch size, channels, label recipe, quotas and split of each.

A new dataset is one row of `DATASETS`; its family of assets (`<dataset>/candidates` to
`<dataset>/package`) follows from the row.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from mining_platform.dataset_rows import ALL_YEARS, POINTS_MINING, Dataset
from mining_platform.file_terms import SIMULATED_TERMS
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import MINING, RECIPES
from mining_platform.negatives import CURATED, GRID, RANDOM
from mining_platform.point_files import PointsFile
from mining_platform.ranges import RANGES
from mining_platform.site_files import SitesFile
from mining_platform.splits.rules import SplitRule
from mining_platform.window_filters import WindowFilter


def _quotas(zero: int, each: int) -> Mapping[str, int]:
    return MappingProxyType({name: zero if name == "000" else each for name in RANGES})


_ALL_RANDOM = MappingProxyType({RANDOM: 1.0})
_LEGAL_AMAZON = tuple(f"legal-amazon-{zone}" for zone in range(18, 24))
_SIMULATED = ("sim-igarape", "sim-serra")
_BLOCKS_80_20 = SplitRule(
    method="block", fractions=MappingProxyType({"train": 0.8, "test": 0.2}), block_m=10_240, buffer_m=0.0, seed=7
)

_RANGES = Dataset(
    id="ranges",
    title="Sentinel-2 patches across mining-proportion ranges, Brazilian Legal Amazon",
    regions=_LEGAL_AMAZON,
    years=(2024,),
    release="yearly",
    px=128,
    pixel_m=PIXEL_M,
    sample_unit="mosaic",
    profile="s2-12",
    recipe=MINING,
    quotas=_quotas(1300, 130),
    negatives=_ALL_RANDOM,
    split=_BLOCKS_80_20,
    window_filter=WindowFilter(min_valid_share=1.0),
    max_masked_share=0.1,
    max_masked_share_other=None,
    zero_candidates=20_000,
    allow_overlap=False,
    sliding_px=32,
    sliding_from=0.7,
    layout="proportion-ranges",
    points=None,
    seed=7,
)
_SIM_RANGES = replace(
    _RANGES,
    id="sim_ranges",
    title="SIMULATED patches across mining-proportion ranges",
    regions=_SIMULATED,
    years=(2023, 2024),
    quotas=_quotas(80, 8),
    split=replace(_BLOCKS_80_20, fractions=MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), block_m=2_560),
    zero_candidates=400,
    sliding_px=0,
)
_LOURENCO = replace(
    _SIM_RANGES,
    id="lourenco_ranges",
    title="Windows across mining-proportion ranges, gold field of Lourenço",
    regions=("lourenco",),
    years=tuple(range(2016, 2023)),
    quotas=_quotas(130, 13),
    sliding_px=32,  # aligned windows of the Lourenço map never exceed 90 %, shifted ones do
)


def _small(dataset: Dataset, dataset_id: str, title: str) -> Dataset:
    """The 48 px sibling of a dataset, over the same regions and years; small windows fill the upper ranges without sliding."""
    split = replace(dataset.split, block_m=dataset.split.block_m // 128 * 48 * 2)
    return replace(dataset, id=dataset_id, title=title, px=48, split=split, sliding_px=0)


_ASGM_48 = (
    replace(  # Dissing and Kalo, Artisanal and Small-Scale Gold Mining Detection in the Amazon Forest Using Contextual Data
        _RANGES,
        id="asgm_48",
        title="Patches of 480 m on points of mining and of other places, with OpenStreetMap context, Bolívar",
        regions=("bolivar",),
        years=(2021,),
        px=48,
        profile="s2-12+osm-5",
        quotas=MappingProxyType({POINTS_MINING: 156, CURATED: 323}),
        negatives=MappingProxyType({}),
        split=SplitRule("cluster", MappingProxyType({"train": 0.7, "val": 0.15, "test": 0.15}), 7_680, 0.0, 7),
        window_filter=WindowFilter(min_valid_share=0.0),
        max_masked_share=0.1,
        max_masked_share_other=0.6,
        zero_candidates=0,
        allow_overlap=True,  # points lie as near to each other as people set them; whole clusters go to one side of the split
        sliding_px=0,
        layout="smallmines",
        points=PointsFile("${MINING_PLATFORM_HOME}/points/bolivar.geojson", "class", ("mining",), ("other",)),
    )
)
_SIM_ASGM_48 = replace(
    _ASGM_48,
    id="sim_asgm_48",
    title="SIMULATED patches of 480 m on points of mining and of other places, with OpenStreetMap context",
    regions=("sim-bolivar",),
    years=(2024,),
    quotas=MappingProxyType({POINTS_MINING: 40, CURATED: 45}),
    points=PointsFile(
        "${MINING_PLATFORM_HOME}/archive-bolivar/points/points.geojson",
        "class",
        ("mining",),
        ("other",),
        id_column="id",
        year_column="year",
        terms=SIMULATED_TERMS,
    ),
)


def _large(dataset: Dataset, *, around: int) -> tuple[Dataset, Dataset]:
    """The 256 px siblings of a dataset of points: with its curated negatives, and with so many random ones on a grid instead."""
    title, mining = dataset.title.replace("480 m", "2,560 m"), dataset.quotas[POINTS_MINING]
    curated = replace(dataset, id=dataset.id.replace("48", "256"), title=title, px=256)
    quotas = MappingProxyType({POINTS_MINING: mining, GRID: around})
    random = replace(curated, id=f"{curated.id}_random", title=title.replace("of other places", "random ones around them"))
    return curated, replace(random, quotas=quotas)


DATASETS: dict[str, Dataset] = {
    dataset.id: dataset
    for dataset in (
        _RANGES,
        _small(_RANGES, "ranges_48", "Sentinel-2 patches of 480 m across mining-proportion ranges, Legal Amazon"),
        _SIM_RANGES,
        replace(
            _small(_SIM_RANGES, "sim_ranges_48", "SIMULATED patches of 480 m across mining-proportion ranges"),
            quotas=_quotas(300, 30),
        ),
        replace(
            _small(_SIM_RANGES, "sim_context", "SIMULATED patches of 480 m with OpenStreetMap context, 17 channels"),
            years=(2024,),
            profile="s2-12+osm-5",
            quotas=_quotas(60, 6),
        ),
        replace(
            _small(_SIM_RANGES, "sim_indices", "SIMULATED patches of 480 m with spectral indices"),
            regions=("sim-igarape",),
            years=(2024,),
            profile="s2-12+indices",
            quotas=_quotas(20, 2),
        ),
        replace(
            _small(_SIM_RANGES, "sim_toa", "SIMULATED patches of 480 m at the top of the atmosphere, 13 bands with cirrus"),
            regions=("sim-igarape-toa",),
            years=(2024,),
            profile="s2-13",
            quotas=_quotas(20, 2),
        ),
        replace(
            _SIM_RANGES,
            id="sim_smallmines",
            title="SIMULATED patches as in SmallMinesDS",
            release=ALL_YEARS,  # as SmallMinesDS: the same places in every year
            profile="smallmines-13",
            quotas=_quotas(30, 3),
            split=replace(_SIM_RANGES.split, method="paired"),  # a place keeps its side in all years
            layout="smallmines",
        ),
        _LOURENCO,
        replace(
            _LOURENCO,
            id="lourenco_painted",
            title="Patches over SIMULATED scenes painted on the real map of Lourenço",
            regions=("lourenco-painted",),
            years=(2022,),
        ),
        replace(
            _SIM_RANGES,
            id="sim_landsat_sites",
            title="SIMULATED Landsat images of mining sites, a scene each, with clouds",
            regions=("sim-igarape-landsat", "sim-serra-landsat"),
            px=64,
            pixel_m=30,
            sample_unit="scene",
            profile="landsat-7",
            recipe="three-class",
            quotas=MappingProxyType({POINTS_MINING: 16}),
            negatives=MappingProxyType({}),
            split=SplitRule("named-site", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), 1_920, 0.0, 7),
            window_filter=WindowFilter(min_valid_share=0.0),
            max_masked_share=0.5,
            layout="sites",
            points=SitesFile(
                href="${MINING_PLATFORM_HOME}/archive/polygons/sites_{year}.kml",
                aliases="${MINING_PLATFORM_HOME}/archive/polygons/aliases.csv",
                terms=SIMULATED_TERMS,
            ),
        ),
        _ASGM_48,
        *_large(_ASGM_48, around=780),
        _SIM_ASGM_48,
        *_large(_SIM_ASGM_48, around=40),
        replace(
            _RANGES,
            id="trombetas_polygons",
            title="Patches of 160 m over people's polygons, Porto Trombetas; built-up and dried-out ground stand for mining",
            regions=("trombetas",),
            years=(2022,),
            px=16,
            recipe="disturbed-ground",
            quotas=MappingProxyType({**_quotas(0, 0), "000": 24, "090_100": 24}),  # a polygon has one class, so windows are pure
            split=SplitRule("block", MappingProxyType({"train": 0.6, "val": 0.15, "test": 0.25}), 320, 0.0, 7),
            window_filter=WindowFilter(min_valid_share=0.02),
            zero_candidates=400,
            sliding_px=0,
        ),
    )
}


def dataset(dataset_id: str) -> Dataset:
    """The row of a dataset; KeyError with the known ids and the remedy otherwise."""
    try:
        return DATASETS[dataset_id]
    except KeyError:
        raise KeyError(
            f"Unknown dataset {dataset_id!r}; known: {', '.join(DATASETS)}. Add a row in mining_platform/datasets.py."
        ) from None


def caveat(row: Dataset) -> str:
    """What a figure's title has to add where the dataset's label is not mining itself, led by ` · `; else empty."""
    text = RECIPES[row.recipe].caveat
    return f" · {text}" if text else ""


def mining_codes(region_id: str) -> tuple[int, ...]:
    """Class codes that count as mining in a region: those of the recipes of the datasets that cover it, else MINING's."""
    used = {row.recipe for row in DATASETS.values() if region_id in row.regions} or {MINING}
    return tuple(sorted({code for recipe_id in used for code in RECIPES[recipe_id].mining_codes}))
