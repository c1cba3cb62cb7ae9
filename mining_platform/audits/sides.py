"""One side of a comparison: a release by its name, digest or package folder, and all that it rests on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mining_platform.artifacts import ArtifactStore, MissingArtifact, Ref
from mining_platform.audits.kept import read_kept
from mining_platform.audits.made_by import every_version, package_inputs
from mining_platform.audits.nodes import Node
from mining_platform.audits.walk import Audit, audit
from mining_platform.lineage import Input
from mining_platform.packages.ro_crate import RO_CRATE

ANY_YEAR = "*"
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_YEAR = re.compile(r"[0-9]{4}")

Key = tuple[str, str]
"""Asset and partition, the year of the release as `*` where two years are compared."""


@dataclass(frozen=True)
class Side:
    """A release and what it rests on."""

    name: str
    audit: Audit

    @property
    def years(self) -> set[str]:
        """Years of its own versions."""
        return {root.partition.split("|")[-1] for root in self.audit.roots if _YEAR.fullmatch(root.partition.split("|")[-1])}


def side_of(store: ArtifactStore, text: str) -> Side:
    """The release that a text names: the folder of a package, a digest (8 digits or more) or ASSET@PARTITION.

    MissingArtifact where the store has no such version.
    """
    return Side(text, audit(store, _roots(store, text), deep=False))


def _roots(store: ArtifactStore, text: str) -> list[Input]:
    if (Path(text) / RO_CRATE).is_file():
        return package_inputs(Path(text))
    if _DIGEST.fullmatch(text):
        found = [version for version, _ in every_version(store) if version.digest.startswith(text)]
        if len(found) != 1:
            raise MissingArtifact(f"{len(found)} versions have the digest {text}. Give more of its digits, or ASSET@PARTITION.")
        return found
    ref = Ref.parse(text)
    digest = read_kept(store, ref).current
    if digest is None:
        raise MissingArtifact(f"{ref} was never made. Name ASSET@PARTITION, a digest, or the folder of a package.")
    return [Input(ref.asset, ref.partition, digest)]


def paired(before: Side, after: Side) -> dict[Key, tuple[Node | None, Node | None]]:
    """What corresponds on the two sides, sorted; None where one has no such partition.

    Two releases of one year each are compared partition by partition whatever the year.
    """
    across = len(before.years) == len(after.years) == 1 and before.years != after.years
    left, right = (_by_key(side, side.years if across else set()) for side in (before, after))
    return {key: (left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())}


def _by_key(side: Side, years: set[str]) -> Mapping[Key, Node]:
    return {
        (version.asset, "|".join(ANY_YEAR if part in years else part for part in version.partition.split("|"))): node
        for version, node in side.audit.nodes.items()
    }
