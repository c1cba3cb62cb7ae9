"""An annual report as a page in each language: one self-contained HTML file, with its map, that needs no server."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mining_platform import change_figures, figures
from mining_platform.annual_reports.cause_words import CAUSE_WORDS
from mining_platform.annual_reports.change_maps import map_data
from mining_platform.annual_reports.compared import compared_section
from mining_platform.annual_reports.contents import Contents, RegionYear
from mining_platform.annual_reports.downloads import Download
from mining_platform.annual_reports.new_sites import largest_sites
from mining_platform.annual_reports.source_words import credit_in
from mining_platform.annual_reports.territory_rows import kind_in, territory_rows
from mining_platform.annual_reports.trends import trend_figure
from mining_platform.annual_reports.words import LANGUAGES, WORDS, number
from mining_platform.reports import TEMPLATES
from mining_platform.stages.files import AUDIT_PAGE

PAGES: Mapping[str, str] = {language: f"report.{language}.html" for language in LANGUAGES}
REVIEWED = ("confirmed_polygons", "confirmed_ha", "removed_polygons", "removed_ha")
"""Facts of `changes.json` that tell what people decided."""
MAPLIBRE = Path(__file__).parent.parent / "vendor" / "maplibre-gl"


def write_pages(contents: Contents, downloads: Sequence[Download], out: Path) -> None:
    """Write PAGES into the folder `out`; they link to each other, to `downloads/` and to the year's audit beside them."""
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    template = environment.get_template("annual_report.html")
    shared = _shared(contents, downloads)
    for language, name in PAGES.items():
        (out / name).write_text(template.render(**shared, **_in_language(contents, language)), encoding="utf-8")


def _shared(contents: Contents, downloads: Sequence[Download]) -> dict[str, Any]:
    """What is the same in every language."""
    new = [region.new.assign(region=region.id) for region in contents.regions]
    places = pd.concat([table[table["is_large"]] for table in new], ignore_index=True)
    epsg = {region.id: region.epsg for region in contents.regions}
    return {
        "year": contents.year,
        "first_year": contents.first_year,
        "is_first": contents.first_year == contents.year,
        "simulated": contents.simulated,
        "left_out": contents.left_out,
        "ended": [f"{name} ({last})" for name, last in contents.ended],
        "left_out_simulated": contents.left_out_simulated,
        "first_maps": [region for region in contents.regions if region.is_first_map],
        "gaps": [region for region in contents.regions if region.year_before not in (None, contents.year - 1)],
        "names": {region.id: region.name for region in contents.regions},
        "region_names": " · ".join(region.name for region in contents.regions),
        "totals": {
            "new_ha": contents.new_ha,
            "cumulative_ha": contents.total("cumulative_ha"),
            "found_ha": sum(region.found_ha for region in contents.regions),
            "places": contents.new_places,
        },
        "reviewed": {name: contents.total(name) for name in REVIEWED},
        "sites": largest_sites(places, epsg, {region.id: region.mosaics for region in contents.regions}),
        "models": [{**vars(each), "curve": _encoded(each.curve_png)} for each in contents.models],
        "unscored": _unscored(contents),
        "estimated": contents.estimated,
        "unestimated": [region.name for region in contents.regions if not region.area],
        "areas": [{"name": region.name, **region.area} for region in contents.regions if region.area],
        "by_map": any(region.source == "land-cover" for region in contents.regions),
        "restated": None if contents.restated is None else [vars(each) for each in contents.restated],
        "territories": territory_rows(contents.territories),
        "unknown_before": [region.name for region in contents.regions if region.id in contents.unknown_before],
        "downloads": downloads,
        "licence": contents.licence[0] or "–",
        "audit_page": AUDIT_PAGE,
        "languages": list(LANGUAGES.items()),
        "pages": PAGES,
        "map_css": Markup((MAPLIBRE / "maplibre-gl.css").read_text(encoding="utf-8")),
        "map_script": Markup((MAPLIBRE / "maplibre-gl.js").read_text(encoding="utf-8")),
    }


def _in_language(contents: Contents, language: str) -> dict[str, Any]:
    words = WORDS[language]
    trend = trend_figure(contents, words)
    least = sorted({float(region.facts["min_area_ha"]) for region in contents.regions})
    return {
        "language": language,
        "words": words,
        "cause_words": CAUSE_WORDS[language],
        "credits": [credit_in(line, language) for line in contents.credits],
        "kind": lambda kind: kind_in(kind, language),
        "least": " / ".join(number(each, language, 0 if each == int(each) else 1) for each in least),
        "ha": lambda value, decimals=0: number(value, language, decimals),
        "score": lambda value: "–" if value is None else number(value, language, 2),
        "percent": lambda value: "–" if value is None else f"{number(100 * value, language)} %",
        "compared": compared_section(contents, words),
        "regions": [_row(region, words) for region in contents.regions],
        "trend": _encoded(figures.figure_png(trend)) if trend else "",
        "static_maps": [_static_map(region, contents.year, words) for region in contents.regions],
        "map_data": Markup(map_data(contents, words, language)),
    }


def _row(region: RegionYear, words: Mapping[str, str]) -> dict[str, Any]:
    by_model = words["outlined" if region.outlined_by else "by_model"].format(model=region.mapped_by, other=region.outlined_by)
    mapped_by = by_model if region.source == "model" else words["by_map"].format(collection=region.mapped_by)
    told = {name: region.facts[name] for name in ("cumulative_ha", "not_found_again_ha", "not_observed_ha")}
    return {
        **told,
        "name": region.name,
        "new_ha": None if region.is_first_map else region.new_ha,
        "first_year": region.first_year,
        "found_ha": region.found_ha,
        "mapped_by": mapped_by,
        "cell_m": round(region.cell_m),
        "lost": region.squares_without_outline,
    }


def _unscored(contents: Contents) -> list[str]:
    """Deployed models whose evaluation is not there."""
    scored = {each.name for each in contents.models}
    models = {model for each in contents.regions if each.source == "model" for model in (each.mapped_by, each.outlined_by)}
    return sorted(models - scored - {""})


def _static_map(region: RegionYear, year: int, words: Mapping[str, str]) -> str:
    named, axes = (words["new"], words["earlier"]), (words["km_east"], words["km_north"])
    simulated = region.simulated
    new_since = year + 1 if region.is_first_map else year
    picture = change_figures.change_picture(
        region.first_years, new_since, title=region.name, simulated=simulated, words=named, axes=axes
    )
    return _encoded(picture)


def _encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()
