"""Base weights by name, as experiments and commands write them; nothing heavy is imported for a name that starts nothing.

A name is one of
  ""                      no base: the model is trained from scratch
  "random:7"              random weights of a tiny Segment Anything, drawn with that seed: for demonstrations, they know nothing
  "facebook/sam-vit-base@<commit>"   an id of the Hugging Face hub and the commit wanted, 40 hexadecimal digits
  "/data/sam-vit-base"    a folder in the layout of transformers; `${MINING_PLATFORM_...}` stands for that variable
"""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mining_platform.regions import expand

if TYPE_CHECKING:
    from mining_platform.models.sam_weights import BaseWeights

RANDOM = re.compile(r"random:(\d+)")
HUB_NAME = re.compile(r"(?P<source>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")

WEIGHTS_HELP = "Base weights of sam-* models: a folder with config.json and *.safetensors, or a hub id and its commit, ID@COMMIT."


class WeightsError(ValueError):
    """Base weights that are not where their name says, or are none."""


def base_weights(name: str) -> "BaseWeights | None":
    """The files that a name stands for, None for the empty one.

    WeightsError with the remedy where they are missing or no Segment Anything in safetensors, RegionError for a variable that is
    not set, NetworkError for a hub that is not allowed.
    """
    from mining_platform.models.sam_weights import open_weights

    if not name:
        return None
    try:
        if drawn := RANDOM.fullmatch(name):
            return open_weights(str(_random_folder(int(drawn[1]))))
        if hub := HUB_NAME.fullmatch(name):
            return open_weights(hub["source"], revision=hub["revision"])
        return open_weights(str(_folder(name)))
    except ValueError as error:
        raise WeightsError(str(error)) from None


def weights_identity(name: str) -> dict[str, Any]:
    """What decides the content of the named weights, JSON-able: of a folder the BLAKE3 of its files; errors as `base_weights`.

    A seed and a commit decide it by themselves, so that nothing is drawn or downloaded here.
    """
    if not name or RANDOM.fullmatch(name) or HUB_NAME.fullmatch(name):
        return {"name": name}
    folder = _folder(name)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {"name": folder.name, "blake3": _checksums(folder, tuple((path.name, path.stat().st_mtime_ns) for path in files))}


def _folder(name: str) -> Path:
    folder = Path(expand(name))
    if not folder.is_dir():
        raise WeightsError(
            f"There is no folder {folder} with base weights. Download a Segment Anything model such as facebook/sam-vit-base "
            "there (config.json and *.safetensors), or name another folder or a hub id with its commit."
        )
    return folder


@cache
def _checksums(folder: Path, _stamps: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Read again only where a file changed since."""
    found = base_weights(str(folder))
    return dict(found.checksums) if found else {}


@cache
def _kept() -> TemporaryDirectory[str]:
    """A folder that goes when the process ends."""
    return TemporaryDirectory(prefix="random-weights")


@cache
def _random_folder(seed: int) -> Path:
    from mining_platform.models.tiny_sam import write_tiny_sam

    folder = Path(_kept().name) / f"random-weights-{seed}-not-sams"
    write_tiny_sam(folder, seed=seed)
    return folder
