"""Publishing the decisions in force of a region and year, so that what is made from them can name them by digest."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, Json, Produced, Ref, current_digest, produce, records
from mining_platform.pipeline import Platform, ref
from mining_platform.reviews.chains import Link, Log
from mining_platform.reviews.decisions import DECISIONS, ReviewError
from mining_platform.reviews.log_places import Place
from mining_platform.reviews.logs import Entry, dataset_log, read_log
from mining_platform.reviews.tables import REVIEWS_FILE, review_table

REVIEWS_VERSION = "1"


def reviews_ref(dataset_id: str, region_id: str, year: int) -> Ref:
    """Where the decisions on a region and year of a dataset are published."""
    return ref(f"{dataset_id}/reviews", region_id, year)


def publish_reviews(platform: Platform, dataset_id: str, region_id: str, year: int) -> Produced | None:
    """Publish the decisions in force of one region and year of a dataset, as `publish_entries`."""
    log = dataset_log(platform, dataset_id)
    entries = of_partition(read_log(log), region_id, year)

    def write(out: Path) -> dict[str, Any]:
        table = review_table(entries)
        table.to_parquet(out / REVIEWS_FILE, index=False)
        counts = {name: int((table["decision"] == name).sum()) for name in DECISIONS}
        return {"windows": len(table), **counts, "simulated": platform.regions[region_id].simulated}

    return publish_entries(platform, reviews_ref(dataset_id, region_id, year), entries, log, write, version=REVIEWS_VERSION)


def publish_entries(
    platform: Platform,
    published: Ref,
    entries: Sequence[Link],
    log: Place,
    write: Callable[[Path], dict[str, Any]],
    *,
    version: str,
) -> Produced | None:
    """Publish what `write` makes of a partition's decisions, oldest first, of the log; None where nobody ever decided.

    May be repeated: without new decisions nothing is made. ReviewError where the log lacks decisions that were published before.
    """
    _check_whole(platform, published, entries, log)
    if not entries:
        return None

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        return write(out)

    rests_on: dict[str, Json] = {"decisions": len(entries), "last": entries[-1].hash}
    return produce(platform.artifacts, published, inputs=(), code_version=version, config=rests_on, compute=compute)


def of_partition(log: Log[Entry], region_id: str, year: int) -> list[Entry]:
    """The log's decisions on one region and year, oldest first."""
    return [entry for entry in log.entries if (entry.region, entry.year) == (region_id, year)]


def _check_whole(platform: Platform, published: Ref, entries: Sequence[Link], log: Place) -> None:
    """The chain cannot tell that its end is missing; the lineage record of what was published from it can."""
    if current_digest(platform.artifacts, published) is None:
        return
    last = records(platform.artifacts, published)[-1].configuration["last"]
    if last not in {entry.hash for entry in entries}:
        raise ReviewError(
            f"{log} lacks decisions that {published} was published from: its end is missing. Restore it from a backup; "
            "nothing is published until then."
        )
