"""Hectares found year by year, as a figure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mining_platform import figures
from mining_platform.annual_reports.contents import Contents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#3d5a80", "#c1121f", "#5b8c5a", "#b5761f", "#7a5195", "#616e7c")


def trend_figure(contents: Contents, words: Mapping[str, str]) -> "Figure | None":
    """Hectares found in each year by region; None where no region has more than one year."""
    if all(len(region.facts["years"]) < 2 for region in contents.regions):  # noqa: PLR2004 - a line needs two points
        return None
    with figures.styled():
        figure = figures.new_figure(7.6, 3.3)
        axes = figure.subplots()
        for number, region in enumerate(contents.regions):
            found = {int(year): hectares for year, hectares in region.facts["found_ha"].items()}
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(list(found), list(found.values()), marker="o", markersize=4, color=colour, label=region.name)
        years = sorted({int(year) for region in contents.regions for year in region.facts["found_ha"]})
        axes.set(ylabel=words["mining_ha"], xticks=years)
        axes.set_ylim(0, 1.08 * max(*axes.get_ylim(), 1.0))
        title = figures.mark_title(words["by_year"], simulated=contents.simulated)
        axes.set_title(title, color=figures.SIMULATED_INK if contents.simulated else figures.INK)
        figure.legend(loc="outside lower left", ncols=3, fontsize=8)
        return figure
