"""What a package says of itself, read back from its `datapackage.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mining_platform.labels.recipes import NO_LABEL
from mining_platform.packages.contents import FileKind
from mining_platform.packages.data_package import DATA_PACKAGE, LAYOUT_VERSION, OWN_PROPERTY
from mining_platform.packages.layouts import LAYOUTS, Layout

LABEL_VALUES = {"smallmines": (0, 1, NO_LABEL), "sites": (0, 1, 2, NO_LABEL), "proportion-ranges": ()}
"""Values of labels on the patches' own grid, by layout."""


class PackageError(ValueError):
    """A package that cannot be understood; `file` is the file that is to blame."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(message)
        self.file = file


@dataclass(frozen=True)
class PackageFacts:
    """What readers need to know of a package."""

    layout: str
    dataset: str
    years: tuple[int, ...]
    channels: tuple[str, ...]
    px: int
    recipe: str
    mining_codes: frozenset[int]
    profile: str
    kinds: tuple[FileKind, ...]
    simulated: bool

    @property
    def label_values(self) -> tuple[int, ...]:
        """Values that labels on the patches' own grid can have."""
        return LABEL_VALUES[self.layout]


def is_package(folder: Path) -> bool:
    """Whether a folder claims to be a package of this platform."""
    try:
        return OWN_PROPERTY in json.loads((folder / DATA_PACKAGE).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def read_facts(package: Path) -> PackageFacts:
    """Facts of a package; PackageError that says what of them is missing or not understood."""
    try:
        content = json.loads((package / DATA_PACKAGE).read_bytes())[OWN_PROPERTY]
        return _facts(content)
    except OSError as error:
        raise PackageError(DATA_PACKAGE, f"{DATA_PACKAGE} is not there ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise PackageError(DATA_PACKAGE, f"{DATA_PACKAGE} is not that of a package ({type(error).__name__}: {error})") from None


def _facts(content: dict[str, Any]) -> PackageFacts:
    if content["layout"] not in LAYOUTS or content["layout_version"] != LAYOUT_VERSION:
        raise ValueError(f"layout {content['layout']!r}, version {content['layout_version']!r} is not known here")
    channels = tuple(map(str, content["channels"]))
    return PackageFacts(
        layout=str(content["layout"]),
        dataset=str(content["dataset"]),
        years=tuple(int(year) for year in content["years"]),
        channels=channels,
        px=int(content["px"]),
        recipe=str(content["recipe"]["id"]),
        mining_codes=frozenset(int(code) for code in content["recipe"]["mining_codes"]),
        profile=str(content["profile"]),
        kinds=_kinds(LAYOUTS[content["layout"]], channels, content["kinds"]),
        simulated=bool(content["simulated"]),
    )


def _kinds(layout: Layout, channels: tuple[str, ...], told: list[dict[str, Any]]) -> tuple[FileKind, ...]:
    """Kinds of files as the layout has them, of those the package tells; ValueError where it tells others."""
    given = {kind["column"]: kind for kind in told}
    rows = tuple(row for row in layout.kinds(channels) if row.column in given or row.column not in layout.optional)
    for row in rows:
        known = json.loads(json.dumps(asdict(row)))
        if any(given.get(row.column, {}).get(name) != known[name] for name in known if name not in ("title", "description")):
            raise ValueError(f"its kind of file {row.column!r} is not that of the layout {layout.id}")
    if len(rows) != len(told):
        raise ValueError(f"its kinds of files are not those of the layout {layout.id}")
    return rows
