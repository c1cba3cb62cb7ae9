"""Whether a newer collection of the MapBiomas maps is published than the regions name, and what a person has to edit then.

A collection is part of the lineage, and each restates history: nobody but a person raises it. The next one's address is that of
the one in use with its number raised, at both places where the published addresses have it
(https://brasil.mapbiomas.org/en/colecoes-mapbiomas/), and on Earth Engine with any of the first versions of the asset.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from mining_platform.disclosure import scrubbed
from mining_platform.regions import YEAR_PLACEHOLDER, LandCover, Region, expand
from mining_platform.source_changes import BUDGET_S, THREADS, Probe, probe_once
from mining_platform.sources.earth_engine_api.requests import asset
from mining_platform.sources.earth_engine_api.session import EarthEngineError
from mining_platform.sources.remote.network import is_url
from mining_platform.sources.remote.probes import ProbeError

EARTH_ENGINE = "earth_engine"
ASSET_VERSIONS = (1, 2, 3)
MOST_NEW_YEARS = 5
_VERSION = re.compile(r"_v\d+$")

AskAsset = Callable[[str], tuple[str, ...] | None]
"""Bands of an asset of Earth Engine; None where there is none, EarthEngineError where that cannot be told."""


@dataclass(frozen=True)
class NewCollection:
    """A collection that is published and that no region names."""

    source: str
    """`mapbiomas` or `earth_engine`."""
    collection: str
    href: str
    """As the region file would have it."""
    years: tuple[int, int]
    """First year, and the last that was found, which may not be the last there is."""
    regions: tuple[str, ...]
    """Those that name the collection before."""
    before: str

    @property
    def words(self) -> str:
        """What was found and what to edit."""
        first, last = self.years
        first, last = self.years
        edit = f'"collection": "{self.collection}", "href": "{self.href}", "years": [{first}, {last}]'
        return (
            f"Collection {self.collection} of the land-cover maps is published ({self.href}, at least to {last}). It restates "
            f"the years of collection {self.before}, on which {', '.join(self.regions)} rest. Nothing was changed. To take it, "
            f"set in the land_cover of these regions {edit}; add new years to the regions' years and to their datasets; and "
            "run `mining-platform materialize --stale`. The next report tells what it restates."
        )


def new_collections(
    regions: Mapping[str, Region], probe: Probe | None = None, ask_asset: AskAsset | None = None, budget_s: float = BUDGET_S
) -> tuple[list[NewCollection], list[str]]:
    """Newer collections of the maps in use, and what could not be asked, in words; never raises for that.

    Maps at hand and simulated ones, and addresses without the number of their collection, have no next one to ask for.
    """
    asked, bands_of = probe or probe_once(), ask_asset or asset_bands
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="collections")
    futures = {pool.submit(_newer, cover, users, asked, bands_of): cover for cover, users in _in_use(regions.values())}
    done, late = wait(futures, timeout=budget_s)
    pool.shutdown(wait=False, cancel_futures=True)
    unasked = [f"{_named(futures[future])}: no answer within {budget_s:g} s" for future in late]
    found: list[NewCollection] = []
    for future in done:
        try:
            newer = future.result()
        except (ProbeError, EarthEngineError) as error:
            unasked.append(f"{_named(futures[future])}: {scrubbed(str(error))}")
        else:
            found += [newer] if newer else []
    return sorted(found, key=lambda each: each.href), sorted(unasked)


def _newer(cover: LandCover, users: Sequence[str], probe: Probe, bands_of: AskAsset) -> NewCollection | None:
    place = _next_asset(cover, bands_of) if cover.source == EARTH_ENGINE else _next_files(cover, probe)
    if place is None:
        return None
    href, last = place
    return NewCollection(cover.source, str(_next(cover)), href, (cover.years[0], last), tuple(users), cover.collection)


def _named(cover: LandCover) -> str:
    return f"collection {_next(cover)} of {cover.source}"


def asset_bands(asset_id: str) -> tuple[str, ...] | None:
    """As AskAsset, of Earth Engine itself."""
    try:
        return tuple(str(band["id"]) for band in asset(asset_id).get("bands", []))
    except EarthEngineError as error:
        if error.missing:
            return None
        raise


def _in_use(regions: Iterable[Region]) -> list[tuple[LandCover, list[str]]]:
    """Maps whose addresses tell their collection, each once, and the regions that name it."""
    named: dict[tuple[str, str, str], LandCover] = {}
    users: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for region in regions:
        cover = region.land_cover
        if cover and _has_next(cover):
            key = (cover.source, cover.collection, cover.href)
            named[key] = cover
            users[key].append(region.id)
    return [(cover, sorted(users[key])) for key, cover in sorted(named.items())]


def _has_next(cover: LandCover) -> bool:
    remote = cover.source == EARTH_ENGINE or is_url(expand(cover.href))
    return remote and not cover.simulated and cover.collection.isdigit() and next_href(cover) != cover.href


def _next(cover: LandCover) -> int:
    return int(cover.collection) + 1


def next_href(cover: LandCover) -> str:
    """The address of the collection after a map's own; the same address where it does not tell its collection's number."""
    return re.sub(rf"(collection_?){cover.collection}(?!\d)", rf"\g<1>{_next(cover)}", cover.href)


def _next_files(cover: LandCover, probe: Probe) -> tuple[str, int] | None:
    """Address and last year of the next collection's files, one year further if there is one; None where there are none."""
    href, last = next_href(cover), cover.years[1]
    years = (last + 1, last) if YEAR_PLACEHOLDER in href else (last,)
    found = (year for year in years if probe(expand(href).replace(YEAR_PLACEHOLDER, str(year))) is not None)
    year = next(found, None)
    return None if year is None else (href, year)


def _next_asset(cover: LandCover, bands_of: AskAsset) -> tuple[str, int] | None:
    """Id and last year of the next collection's asset, whatever its version; None where there is none."""
    for href in _versions(next_href(cover)):
        bands = bands_of(href)
        if bands is not None:
            last = cover.years[1]
            return href, max([last, *(year for year in range(last, last + MOST_NEW_YEARS) if cover.band_of(year) in bands)])
    return None


def _versions(asset_id: str) -> list[str]:
    """The id, and with the other first versions where it ends in one."""
    return list(dict.fromkeys([asset_id, *(_VERSION.sub(f"_v{number}", asset_id) for number in ASSET_VERSIONS)]))
