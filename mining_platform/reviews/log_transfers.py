"""Copying the logs of decisions from one store to another, and checking them where they lie.

In a bucket they lie below `reviews/`, as they do in a folder to which a store was copied; those of a home lie beside its folder
`artifacts`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.homes import ARTIFACTS_NAME
from mining_platform.reviews import chains, log_files, log_objects
from mining_platform.reviews.chains import Form, Name
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.detection_decisions import DETECTION_FORM, DETECTIONS
from mining_platform.reviews.log_objects import LogObject
from mining_platform.reviews.log_places import FOLDER, SUFFIX
from mining_platform.reviews.logs import DATASET_FORM
from mining_platform.store.places import Folder
from mining_platform.store.refs import ArtifactStore
from mining_platform.store.remote import Readable

_FORMS: Mapping[str, Form[Any]] = {"": DATASET_FORM, DETECTIONS: DETECTION_FORM}


def keys_of(source: Readable) -> list[str]:
    """Keys of all logs of a store, sorted."""
    return sorted(each.key for each in _beside(source).list(f"{FOLDER}/") if each.key.endswith(SUFFIX))


def copy_log(source: Readable, target: ArtifactStore, key: str) -> int:
    """Let the target's log have all decisions of the source's; how many the log has, or 0 where none came to it.

    ReviewError where the source's is not sound, or the target's has other decisions.
    """
    entries = _sound(source, key)
    content = chains.lines_of(entries)
    if target.remote is not None:
        came = log_objects.follow(LogObject(target.remote, key, _subject(key)), content)
    else:
        came = log_files.follow(_root(target.root) / key, content)
    return len(entries) if came else 0


def check_log(source: Readable, key: str) -> list[str]:
    """What is wrong with a log where it lies."""
    try:
        _sound(source, key)
    except ReviewError as error:
        return [str(error)]
    return []


def _sound(source: Readable, key: str) -> tuple[Any, ...]:
    root, form = _beside(source), _FORMS.get(key.removeprefix(f"{FOLDER}/").rpartition("/")[0])
    kept, place = root.get(key), f"{root.place}/{key}"
    if form is None:
        raise ReviewError(f"{place} is the log of nothing known. Move it away.")
    return chains.parsed(kept.content if kept else b"", form, Name(place, _subject(key))).entries


def _subject(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(SUFFIX)


def _beside(source: Readable) -> Readable:
    return Folder(_root(source.root)) if isinstance(source, Folder) else source


def _root(folder: Path) -> Path:
    """Where FOLDER lies of a folder of artifacts."""
    return folder.parent if folder.name == ARTIFACTS_NAME else folder
