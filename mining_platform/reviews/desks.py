"""What a person reviews: the stored patches of one year of a dataset, what is decided on them, and taking a decision down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from mining_platform import patches
from mining_platform.artifacts import Artifact, Ref, current_digest, open_artifact, records
from mining_platform.dataset_rows import Dataset
from mining_platform.pipeline import Platform, ref
from mining_platform.ranges import RANGES, range_of
from mining_platform.reviews.decisions import RELABEL, Decision, ReviewError, problems
from mining_platform.reviews.log_places import Place
from mining_platform.reviews.logs import Entry, append_decisions, dataset_log, read_log
from mining_platform.reviews.tables import in_force
from mining_platform.stages.files import SAMPLE_FILE, SPLITS_FILE

NAMED_PROBLEMS = 20  # bad decisions that an error names


@dataclass(frozen=True)
class Proposal:
    """A decision as a page or a file tells it; region, year and what was seen are the desk's."""

    window_id: str
    decision: str
    range: str
    reviewer: str
    reason: str


@dataclass(frozen=True)
class Desk:
    """The patches of one year of a dataset, laid out for review."""

    platform: Platform
    dataset: Dataset
    year: int
    patches: pd.DataFrame
    """One row a stored patch, by range or class, and share: patch_id, window_id, region, range, map_range, share, is_mining,
    split, row (of the region's store)."""
    stores: Mapping[str, Artifact]
    """Patch store of each region."""

    @cached_property
    def places(self) -> dict[str, tuple[str, int]]:
        """Region and store row of each patch, by patch id."""
        return {
            str(patch): (str(region), int(row))
            for patch, region, row in zip(self.patches["patch_id"], self.patches["region"], self.patches["row"], strict=True)
        }

    @property
    def log(self) -> Place:
        """The dataset's log of decisions."""
        return dataset_log(self.platform, self.dataset.id)

    @property
    def simulated(self) -> bool:
        """Whether anything on the desk is simulated."""
        return any(bool(store.facts.get("simulated")) for store in self.stores.values())


def open_desk(platform: Platform, dataset: Dataset, year: int, region_ids: Sequence[str] = ()) -> Desk:
    """Lay out the published patches of a year, of all the dataset's regions that have some or of those named.

    ReviewError where there is none, with the remedy; ArtifactError where one is damaged.
    """
    refs = {region_id: ref(f"{dataset.id}/patches", region_id, year) for region_id in region_ids or sorted(dataset.regions)}
    made = [region_id for region_id, each in refs.items() if current_digest(platform.artifacts, each) is not None]
    if missing := (set(refs) - set(made)) if region_ids or not made else set():
        raise ReviewError(
            f"{dataset.id} has no patches of {', '.join(sorted(missing))} in {year}. "
            f"Make them: mining-platform materialize --assets {dataset.id}/patches --years {year}"
        )
    stores = {region_id: open_artifact(platform.artifacts, refs[region_id]) for region_id in made}
    parts = [_stored(platform, dataset, store, region_id, year) for region_id, store in stores.items()]
    return Desk(platform, dataset, year, _in_order(pd.concat(parts), dataset), stores)


def _stored(platform: Platform, dataset: Dataset, store: Artifact, region_id: str, year: int) -> pd.DataFrame:
    """The stored patches of a region with what is known of them."""
    index = patches.read_index(store.path)
    sample = _sample(platform, store, ref(f"{dataset.id}/sample", region_id, year))
    known = pd.read_parquet(sample.path / SAMPLE_FILE, columns=["window_id", "range", "share", "is_mining"])
    rows = index[~index["dropped"]].merge(known, on="window_id", validate="many_to_one")
    rows = rows.merge(_splits(platform, dataset, year), on="window_id", how="left", validate="many_to_one")
    measured = rows["share"].notna()
    rows["map_range"] = ""
    rows.loc[measured, "map_range"] = range_of(rows.loc[measured, "share"].to_numpy(float))
    return rows.assign(region=region_id, split=rows["split"].fillna(""))


def _sample(platform: Platform, store: Artifact, sample: Ref) -> Artifact:
    """The version of the sample that the patches were cut at, which need not be the newest."""
    inputs = records(platform.artifacts, store.ref)[-1].inputs
    (digest,) = {each.digest for each in inputs if each.asset == sample.asset}
    return open_artifact(platform.artifacts, sample, digest)


def _splits(platform: Platform, dataset: Dataset, year: int) -> pd.DataFrame:
    """Split of each window where the splits of the year's release are published; else no row."""
    published = Ref(f"{dataset.id}/splits", str(dataset.release_of(year)))
    if current_digest(platform.artifacts, published) is None:
        return pd.DataFrame({"window_id": pd.Series(dtype="str"), "split": pd.Series(dtype="str")})
    return pd.read_parquet(open_artifact(platform.artifacts, published).path / SPLITS_FILE, columns=["window_id", "split"])


def _in_order(rows: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """By range, or of a dataset of points by class, then by share."""
    place = {name: number for number, name in enumerate(RANGES)}
    groups = rows["range"].map(place) if dataset.points is None else rows["is_mining"]
    rows = rows.assign(place=groups).sort_values(["place", "share", "patch_id"], ignore_index=True)
    return rows[["patch_id", "window_id", "region", "range", "map_range", "share", "is_mining", "split", "row"]]


def decisions_on(desk: Desk) -> dict[str, Entry]:
    """The decision in force on each window of the desk's year, also on windows that are drawn no more."""
    entries = (entry for entry in read_log(desk.log).entries if entry.year == desk.year)
    return {entry.window_id: entry for entry in in_force(entries)}


def take_down(desk: Desk, proposals: Sequence[Proposal], *, seen: bool = True) -> list[Entry]:
    """Append decisions to the dataset's log, all or none; `seen` says whether people looked at the patches of this very desk.

    ReviewError names each that is not sound: of a window that is neither on the desk nor was decided on before, of two regions,
    decided twice in one go, or relabelled to what the map says.
    """
    regions = _regions(desk)
    decisions, wrong, decided = [], [], set()
    for number, proposal in enumerate(proposals, start=1):
        decision, found = _decision(desk, proposal, regions, seen=seen)
        found += ["it is decided on twice here; leave one line"] if proposal.window_id in decided else []
        decided.add(proposal.window_id)
        decisions.append(decision)
        wrong += [f"decision {number} ({proposal.window_id!r}): {'; '.join(found)}"] if found else []
    if wrong:
        more = f" And {len(wrong) - NAMED_PROBLEMS} more." if len(wrong) > NAMED_PROBLEMS else ""
        raise ReviewError(f"Nothing was taken down. {' | '.join(wrong[:NAMED_PROBLEMS])}.{more}")
    return append_decisions(desk.log, decisions) if decisions else []


def _decision(desk: Desk, proposal: Proposal, regions: Mapping[str, set[str]], *, seen: bool) -> tuple[Decision, list[str]]:
    """A proposal as a decision, and what is wrong with it."""
    places = sorted(regions.get(proposal.window_id, ()))
    region = places[0] if places else ""
    version = desk.stores[region].digest if seen and region in desk.stores else ""
    decision = Decision(desk.dataset.id, region, desk.year, **vars(proposal), seen=version)
    if len(places) != 1:
        where = f"of {' and '.join(places)}; name one with --region" if places else f"not among the windows of {desk.year}"
        return decision, [f"it is {where}"]
    return decision, [*problems(decision, desk.dataset), *_needless(desk, proposal)]


def _needless(desk: Desk, proposal: Proposal) -> Iterable[str]:
    """A relabel to what the map says would only take the pixel labels away."""
    if proposal.decision == RELABEL and proposal.range == _map_ranges(desk).get(proposal.window_id):
        yield f"{proposal.range} is the map's own range; accept it instead"


def _map_ranges(desk: Desk) -> dict[str, str]:
    return dict(zip(desk.patches["window_id"], desk.patches["map_range"], strict=True)) if desk.dataset.points is None else {}


def _regions(desk: Desk) -> dict[str, set[str]]:
    """Regions of each window that may be decided on."""
    found: dict[str, set[str]] = {}
    for window_id, region in zip(desk.patches["window_id"], desk.patches["region"], strict=True):
        found.setdefault(str(window_id), set()).add(str(region))
    for entry in decisions_on(desk).values():
        found.setdefault(entry.window_id, {entry.region})
    return found


def described(entry: Entry) -> dict[str, Any]:
    """A decision as pages and scripts are told of it."""
    names = ("window_id", "region", "year", "decision", "range", "reviewer", "reason", "time", "number")
    return {name: getattr(entry, name) for name in names}
