"""Demonstrations are rows: what is simulated, what is made, and what must be at hand."""

from dataclasses import dataclass
from pathlib import Path

from mining_platform import homes
from mining_platform.plans import Selection
from mining_platform.regions import Region, expand


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

    def land_cover(self, first: Region) -> Path | None:
        """The raster to paint over, None for a made-up landscape; it may be absent."""
        cover = first.land_cover
        return Path(expand(cover.href)) if self.painted and cover else None

    @property
    def archive_path(self) -> Path:
        """Where the demonstration's archive lies."""
        return homes.platform_home() / self.archive


SIMULATED_REGIONS = ("sim-igarape", "sim-serra")
SIMULATED_YEARS = (2023, 2024)
SCENES_A_YEAR = 16
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
            selections=(Selection(("sim_ranges", "sim_ranges_48", "model", "evaluation"), SIMULATED_REGIONS, SIMULATED_YEARS),),
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
                Selection(assets=("lourenco_painted", "evaluation"), regions=("lourenco-painted",), years=(2022,)),
            ),
        ),
    )
}
