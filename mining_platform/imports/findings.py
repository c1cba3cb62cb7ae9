"""What an import has to say about the files of others: things to know, and things to refuse unless they are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

NAMED = 5  # files or patches that a message names
NAMED_IN_FACTS = 50  # and that the facts of a version name
CONSTANT, NONPOSITIVE, DUPLICATES, UNITS = "constant", "nonpositive", "duplicates", "units"
KEEPABLE: Mapping[str, str] = MappingProxyType(
    {
        CONSTANT: "stored as they are",
        NONPOSITIVE: "negative reflectance becomes the least number, 0 and what cannot be reflectance become no data",
        DUPLICATES: "all of them are stored",
        UNITS: "each file is read in its own unit",
    }
)
"""What is refused unless it is named in `keep`, and what is done with it then."""


class PatchImportError(ValueError):
    """A folder of patches that cannot be imported as it is; the message says what, where and how to mend it."""


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know of the files."""

    kind: str
    """Row of KEEPABLE, or any other word."""
    text: str
    """What was found, and what became of it."""
    where: tuple[str, ...]
    """Names of the files or patches, sorted."""

    @property
    def line(self) -> str:
        """Number, text and the first names."""
        return f"{len(self.where)} {self.text}: {named(self.where)}"

    def facts(self) -> dict[str, Any]:
        """In JSON types; not more than NAMED_IN_FACTS names."""
        return {"kind": self.kind, "count": len(self.where), "text": self.text, "where": list(self.where[:NAMED_IN_FACTS])}


def found(kind: str, text: str, where: Iterable[str]) -> tuple[Finding, ...]:
    """A finding where there is anything, else none."""
    names = tuple(sorted(where))
    return (Finding(kind, text, names),) if names else ()


def named(names: Sequence[str]) -> str:
    """The first names and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def refuse(findings: Iterable[Finding], keep: Iterable[str], source: str) -> None:
    """PatchImportError with all findings of KEEPABLE that are not to be kept."""
    kept = set(keep)
    lost = [each for each in findings if each.kind in KEEPABLE and each.kind not in kept]
    if lost:
        kinds = ",".join(dict.fromkeys(each.kind for each in lost))
        told = "; ".join(each.line for each in lost)
        raise PatchImportError(f"{source}: {told}. Mend or remove the files, or take them as they are with --keep {kinds}.")


def checked_keep(words: Iterable[str]) -> frozenset[str]:
    """Words of KEEPABLE; PatchImportError naming the others."""
    wanted = frozenset(words)
    if unknown := sorted(wanted - KEEPABLE.keys()):
        raise PatchImportError(f"--keep knows {', '.join(KEEPABLE)}; not {', '.join(unknown)}.")
    return wanted
