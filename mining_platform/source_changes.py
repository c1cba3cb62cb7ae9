"""Which sources of published partitions are not what they were, and what that touches.

Files at hand are told by the fingerprints of the graph (size and time first, then BLAKE3), maps of Earth Engine by the time of
their last update, maps behind a URL by size and entity tag or time. Scenes and layers of services are left out: their services
have no edition to ask for, and a search a partition is no small question. All questions are asked beside each other, within
a budget; what does not answer is named and never raises.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mining_platform.artifacts import Ref, open_artifact, records
from mining_platform.disclosure import scrubbed
from mining_platform.lineage import Record
from mining_platform.lineage_changes import changes
from mining_platform.pipeline import Platform, Step, key_parts
from mining_platform.regions import LandCover, expand
from mining_platform.source_editions import Edition, place_of
from mining_platform.sources.protocol import NotAskedError, SourceError
from mining_platform.sources.remote.network import is_url
from mining_platform.sources.remote.probes import ProbeError, edition_of
from mining_platform.staleness import UNTOLD, is_published, offline
from mining_platform.store.digests import canonical_json, plain

OUTSIDE = ("outside", "layers", "territories")
"""Fields of a step's configuration that tell what its files are."""
BUDGET_S = 40.0
"""Of one look; Dagster ends a sensor after 60 seconds."""
THREADS = 8
EARTH_ENGINE = "earth_engine"

Probe = Callable[[str], Edition | None]
"""The edition of the file behind a URL; None where there is none, ProbeError where its service does not tell."""


@dataclass(frozen=True)
class Change:
    """A published partition whose source is another than the one it was made of."""

    ref: Ref
    what: str
    """In words."""
    state: str
    """What the source tells now: equal as long as it does not change again."""
    made: str
    """Hash of the record of the published version: another one once the partition was made again."""
    editions: Mapping[str, Edition] = field(default_factory=dict)
    """To be noted (`source_editions`) before the partition is made again."""


@dataclass(frozen=True)
class Look:
    """What one look found."""

    changes: tuple[Change, ...]
    """Sorted by partition."""
    unasked: tuple[str, ...]
    """What could not be asked and why, in words, without secrets."""
    of_services: int
    """Partitions whose services have no edition to ask for."""


def look(platform: Platform, steps: Mapping[str, Step], budget_s: float = BUDGET_S) -> Look:
    """Hold the sources of all published partitions against what they were made of; never raises for what does not answer."""
    questions = dict(_questions(platform, steps))
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sources")
    asked = {pool.submit(question): ref for ref, question in questions.items()}
    done, late = wait(asked, timeout=budget_s)
    pool.shutdown(wait=False, cancel_futures=True)
    found, unasked, services = _gathered(asked, done)
    if late:
        unasked[f"no answer within {budget_s:g} s"] = len(late)
    told = tuple(f"{why} ({count} partition{'s' if count > 1 else ''})" for why, count in sorted(unasked.items()))
    return Look(tuple(sorted(found, key=lambda change: change.ref)), told, services)


def _gathered(
    asked: Mapping[Future[Change | None], Ref], done: Iterable[Future[Change | None]]
) -> tuple[list[Change], Counter[str], int]:
    found, unasked, services = [], Counter[str](), 0
    for future in done:
        try:
            change = future.result()
        except NotAskedError:
            services += 1
        except (ProbeError, *UNTOLD) as error:
            unasked[scrubbed(str(error))] += 1
        except Exception as error:  # an odd source is told, and keeps no other from being looked at
            unasked[f"{asked[future]}: {type(error).__name__}: {scrubbed(str(error))}"] += 1
        else:
            found += [change] if change else []
    return found, unasked, services


def _questions(platform: Platform, steps: Mapping[str, Step]) -> Iterator[tuple[Ref, Callable[[], Change | None]]]:
    """One question for each published partition."""
    at_hand, probe = offline(platform), probe_once()
    for step in steps.values():
        for key in step.keys:
            ref = Ref(step.asset, key)
            if not step.external and is_published(platform, ref):
                yield ref, _question(platform, at_hand, step, ref, probe)


def _question(platform: Platform, at_hand: Platform, step: Step, ref: Ref, probe: Probe) -> Callable[[], Change | None]:
    cover = platform.region_year(ref.partition)[0].land_cover if step.asset == "land_cover" else None
    if cover and cover.source != EARTH_ENGINE and is_url(expand(cover.href)):
        return lambda: _of_url(platform, ref, cover, probe)
    asked = platform if cover and cover.source == EARTH_ENGINE else at_hand
    return lambda: _of_fingerprint(platform, asked, step, ref)


def _of_fingerprint(platform: Platform, asked: Platform, step: Step, ref: Ref) -> Change | None:
    """Held by what the graph's own fingerprint tells."""
    record = _record(platform, ref)
    if not _outside(record.configuration):
        return None
    now = _outside(plain(step.config(asked, ref.partition), f"The configuration of {ref}"))
    told = canonical_json({**record.configuration, **now}, f"The configuration of {ref}")
    differing = changes(record, inputs=record.inputs, code_version=record.code_version, configuration=told)
    return Change(ref, "; ".join(differing), str(now), record.hash) if differing else None


def _outside(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: configuration[name] for name in OUTSIDE if configuration.get(name)}


def _of_url(platform: Platform, ref: Ref, cover: LandCover, probe: Probe) -> Change | None:
    """Held by the edition that was read, a fact of the published version."""
    year = int(key_parts(ref.partition)[1])
    place, now, read = place_of(cover, year), probe(cover.file_of(year)), _read_edition(platform, ref)
    if now is None:
        raise SourceError(f"{place} is not there any more")
    differing = [name for name in sorted(read.keys() & now.keys()) if read[name] != now[name]]
    words = ", ".join(f"{name} {read[name]} -> {now[name]}" for name in differing)
    if not differing:
        return None
    return Change(ref, f"{place}: {words}", str(sorted(now.items())), _record(platform, ref).hash, {place: now})


def _record(platform: Platform, ref: Ref) -> Record:
    return records(platform.artifacts, ref)[-1]


def _read_edition(platform: Platform, ref: Ref) -> dict[str, Any]:
    source = open_artifact(platform.artifacts, ref).facts.get("source", {})
    return {name: source[name] for name in ("bytes", "etag", "last_modified") if name in source}


def probe_once() -> Probe:
    """`edition_of`, each URL asked once, one at a time of a host, and none of a host that did not answer."""
    found: dict[str, Edition | None] = {}
    silent: dict[str, str] = {}
    turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def probe(url: str) -> Edition | None:
        host = urlsplit(url).netloc
        with turns[host]:
            if host in silent:
                raise ProbeError(silent[host])
            try:
                return found[url] if url in found else found.setdefault(url, edition_of(url))
            except ProbeError as error:
                silent[host] = f"{host}: {error}"
                raise ProbeError(silent[host]) from None

    return probe
