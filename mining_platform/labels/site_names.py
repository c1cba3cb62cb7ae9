"""Sites by name: names that differ just in how they are written are one, and a table of aliases joins those that differ more."""

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from mining_platform.imports.sites import BASE_SITE
from mining_platform.labels.label_errors import LabelError

ALIAS_COLUMNS = ("alias", "site")
MAX_ALIAS_BYTES = 10 * 2**20
MOST_NAMES = 8  # that an error lists


def normalised_site(name: str) -> str:
    """A site's name in small letters without accents, number and doubled spaces: `São_João_12` -> `sao joao`.

    The number is what follows the last underscore, `_12`, as in names of images; underscores count as spaces.
    """
    letters = unicodedata.normalize("NFKD", BASE_SITE.sub("", name.strip()))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\s_]+", " ", plain.casefold()).strip()


def read_aliases(path: Path) -> dict[str, str]:
    """Normalised alias -> normalised site of a CSV table with the columns `alias` and `site`.

    LabelError for a missing file, other columns, an empty name, and an alias of two sites.
    """
    if not path.is_file() or path.stat().st_size > MAX_ALIAS_BYTES:
        raise LabelError(f"There is no table of aliases {path}, or it is too large. Give a CSV with the columns alias and site.")
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise LabelError(f"{path.name} is no CSV table in UTF-8 ({error}). Save it anew.") from None
    aliases: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        alias, site = (normalised_site(row.get(column) or "") for column in ALIAS_COLUMNS)
        if not alias or not site:
            raise LabelError(
                f"{path.name}, line {line}: an alias or site is empty. Write the columns {' and '.join(ALIAS_COLUMNS)}."
            )
        if aliases.setdefault(alias, site) != site:
            raise LabelError(f"{path.name}, line {line}: {alias!r} stands for {aliases[alias]!r} and {site!r}. Keep one.")
    return aliases


def matched_site(site: str, names: Iterable[str], aliases: Mapping[str, str], where: str) -> str:
    """The normalised name among `names` that a site has, itself or by an alias; exact, never the nearest.

    LabelError for a site that is none of them, with the near ones, and for a name that is of the file and an alias of another.
    """
    known = {normalised_site(name): name for name in names if normalised_site(name)}
    asked = normalised_site(site)
    wanted = aliases.get(asked, asked)
    if asked in known and wanted != asked:
        raise LabelError(f"{site!r} is a site of {where} and an alias of {wanted!r}. Take the alias out, or rename the site.")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=MOST_NAMES, cutoff=0.5) or sorted(known)[:MOST_NAMES]
        told = ", ".join(known[name] for name in near) or "none"
        raise LabelError(f"{where} has no site {site!r}; it has {told}. Mend the name, or give it as an alias with --aliases.")
    return wanted
