"""Demonstrations are rows: what is simulated or taken in, what is made, and what must be at hand."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mining_platform import homes
from mining_platform.experiment_trials import Trial
from mining_platform.experiments import EXPERIMENTS
from mining_platform.plans import Selection
from mining_platform.regions import Region, expand

SCENES_A_YEAR = 16
"""Of a region, unless a demonstration says otherwise."""


@dataclass(frozen=True)
class Stack:
    """A real stack of bands that becomes a scene of the demonstration's archive."""

    href: str
    """Place of the GeoTIFF, as in a region file."""
    scene_id: str
    acquired: tuple[datetime, datetime]
    """First and last moment at which it may have been sensed, UTC."""
    platform: str
    description: str

    @property
    def path(self) -> Path:
        """The GeoTIFF, which may be absent."""
        return Path(expand(self.href))


@dataclass(frozen=True)
class Demo:
    """One demonstration: simulate an archive, then make selections on it."""

    id: str
    description: str
    archive: str
    """Folder of the archive under the installation's home."""
    regions: tuple[str, ...]
    """Regions to simulate."""
    years: tuple[int, ...]
    painted: bool
    """Paint the scenes over the first region's own land-cover map, which must be at hand; else the landscape is made up."""
    selections: tuple[Selection, ...]
    truth: str
    """What in it is real, said at the end."""
    stack: Stack | None = None
    """A real scene to take in; then nothing is simulated."""
    also: tuple[str, ...] = ()
    """Parts of the archive beside maps and scenes, rows of simulation.parts.PARTS."""
    dates: int = SCENES_A_YEAR
    """Scenes a year and region."""
    beside: tuple[str, ...] = ()
    """Demonstrations whose simulated archives it needs as well."""
    trial: Trial | None = None
    """Limits to its experiments unless full settings are asked for."""

    def land_cover(self, first: Region) -> Path | None:
        """The raster to paint over, None for a made-up landscape; it may be absent."""
        cover = first.land_cover
        return Path(expand(cover.href)) if self.painted and cover else None

    @property
    def archive_path(self) -> Path:
        """Where the demonstration's archive lies."""
        return homes.platform_home() / self.archive


SIMULATED_REGIONS = ("sim-igarape", "sim-serra")
LANDSAT_REGIONS = ("sim-igarape-landsat", "sim-serra-landsat")
"""The ground of the simulated regions as Landsat sees it."""
SIMULATED_PARTS = ("radar", "elevation", "context", "landsat", "polygons", "toa", "territories", "other-system")
"""What the archive of the simulated regions has beside maps and scenes, whichever demonstration makes it."""
SIMULATED_YEARS = (2023, 2024)
SIMULATED_EXPERIMENTS = ("sim-cnn", "sim-cnn-48")
"""The experiments that the demonstration runs for both years; others on its data take minutes each."""
OUTLINING = ("sim-unet",)
"""Those whose model of the first year outlines what is found in both."""
SIMULATED_STUDIES = tuple(name for name in EXPERIMENTS if name.startswith("sim-"))
"""All experiments on simulated data."""
SEED = 7

DEMOS: dict[str, Demo] = {
    demo.id: demo
    for demo in (
        Demo(
            id="simulated",
            description="Every asset for two simulated regions and two years, offline",
            archive="archive",
            regions=SIMULATED_REGIONS,
            years=SIMULATED_YEARS,
            painted=False,
            selections=(
                Selection(("sim_landsat_sites",), LANDSAT_REGIONS, SIMULATED_YEARS[-1:]),  # first, as the audit looks at it
                Selection(("sim_toa",), ("sim-igarape-toa",), SIMULATED_YEARS[-1:]),
                Selection(("evaluation",), SIMULATED_REGIONS, SIMULATED_YEARS[:1], OUTLINING),
                Selection(
                    (
                        *("sim_ranges", "sim_ranges_48", "sim_context", "sim_indices", "sim_smallmines"),
                        *("mosaic_quality", "model", "evaluation", "experiment_summary", "annual_report", "lineage_audit"),
                    ),
                    SIMULATED_REGIONS,
                    SIMULATED_YEARS,
                    SIMULATED_EXPERIMENTS,
                ),
            ),
            truth="Everything in it rests on SIMULATED data.",
            also=SIMULATED_PARTS,
        ),
        Demo(
            id="experiments",
            description="Every experiment on simulated data as a small trial, and their summary beside the documents' tables; "
            "--full for the settings of their rows",
            archive="archive",
            regions=SIMULATED_REGIONS,
            years=SIMULATED_YEARS,
            painted=False,
            selections=(Selection(("experiment_summary",), (), SIMULATED_YEARS[-1:], SIMULATED_STUDIES),),
            truth="Everything in it rests on SIMULATED data.",
            also=SIMULATED_PARTS,
            beside=("bolivar",),
            trial=Trial(epochs=2, max_patches=36),  # what all rows need in 8 minutes on two cores
        ),
        Demo(
            id="bolivar",
            description="Patches of 2,560 m on simulated points of mining and of other places, with OpenStreetMap context, and "
            "small trials of the experiments 1 and 2 of Dissing and Kalo on them",
            archive="archive-bolivar",
            regions=("sim-bolivar",),
            years=(2024,),
            painted=False,
            selections=(Selection(("sim_asgm_256", "evaluation"), ("sim-bolivar",), (2024,), ("sim-asgm-1", "sim-asgm-2")),),
            truth="Everything in it rests on SIMULATED data.",
            also=("context", "points"),
            dates=5,
            trial=Trial(epochs=2),
        ),
        Demo(
            id="lourenco",
            description="The real MapBiomas map of Lourenço: windows and samples 2016 to 2022; then, over scenes SIMULATED "
            "on that map, the whole line for 2022",
            archive="archive-lourenco",
            regions=("lourenco-painted",),
            years=(2022,),
            painted=True,
            selections=(
                Selection(assets=("lourenco_ranges/sample",), regions=("lourenco",)),
                Selection(("lourenco_painted", "mosaic_quality", "evaluation", "lineage_audit"), ("lourenco-painted",), (2022,)),
            ),
            truth="The land-cover map is real, the scenes are SIMULATED.",
        ),
        Demo(
            id="trombetas",
            description="A real Sentinel-2 scene of Porto Trombetas (Pará) and people's labelled polygons: mosaic, patches, "
            "splits, model, evaluation",
            archive="archive-trombetas",
            regions=("trombetas",),
            years=(2022,),
            painted=False,
            selections=(Selection(("trombetas_polygons", "mosaic_quality", "evaluation"), ("trombetas",)),),
            truth="Scene and labels are real; the polygons have no mining class, built-up and dried-out ground stand for it.",
            stack=Stack(
                href="${MINING_PLATFORM_REALDATA}/trombetas-s2-srtm-polygons/sen2_12band.tif",
                scene_id="trombetas-sen2",
                acquired=(datetime(2022, 1, 25, tzinfo=UTC), datetime(2024, 4, 25, tzinfo=UTC)),
                platform="sentinel-2",
                description="Sentinel-2 L2A reflectance of Porto Trombetas, Pará, as github.com/bleutner/RStoolbox publishes it; "
                "the day is not told: after baseline 04.00 (2022-01-25), whose offset is in, before its release (2024-04-25)",
            ),
        ),
    )
}
