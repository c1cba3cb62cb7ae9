"""How a release is called, described and cited: title, abstract, key words, CITATION.cff, BibTeX, one line of text.

CITATION.cff follows the Citation File Format 1.2.0, https://doi.org/10.5281/zenodo.5171937. Its scalars are double-quoted as in
JSON, which YAML reads as they are.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mining_platform import figures
from mining_platform.packages.contents import Contents, Release
from mining_platform.packages.credits import licence_of

CITATION_CFF = "CITATION.cff"
SIMULATED_NOTE = "SIMULATED: no real place is shown; do not train, map or cite with it as if it were real."
_NOT_PRINTABLE_IN_YAML = re.compile("[\x7f-\x84\x86-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # YAML 1.2, production c-printable
_TEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def title(release: Release) -> str:
    """Title on one line; SIMULATED leads where it applies."""
    return figures.mark_title(_one_line(release.title), simulated=release.simulated)


def abstract(contents: Contents) -> str:
    """What the package is, in a few sentences on one line; SIMULATED leads where it applies."""
    release, table = contents.release, contents.table
    years = " and ".join(filter(None, (", ".join(map(str, release.years[:-1])), str(release.years[-1]))))
    regions = table["region"].nunique()
    sentences = (
        SIMULATED_NOTE if release.simulated else "",
        f"{len(table)} image patches with labels of mining, of {years}, from {regions} region{'' if regions == 1 else 's'},",
        f"{release.px} x {release.px} pixels of 10 m each, drawn over ranges of mining share, with a split.",
        f"Labels by the recipe {release.recipe.id}: {_one_line(release.recipe.description)}.",
        f"Channels: {', '.join(release.channels)}.",
    )
    return " ".join(filter(None, sentences))


def keywords(release: Release) -> list[str]:
    """Key words; SIMULATED leads where it applies."""
    return [*(["SIMULATED"] if release.simulated else []), "mining", "land cover", "remote sensing", "machine learning"]


def person(author: str) -> tuple[str, str] | None:
    """Family and given names of an author written `Family, Given`; None for a body."""
    family, comma, given = (part.strip() for part in _one_line(author).partition(","))
    return (family, given) if comma and family and given else None


def text(release: Release) -> str:
    """The citation on one line: authors (year). Title. Version. [Data set]. Terms."""
    licence, _ = licence_of(release.credits)
    authors = "; ".join(map(_one_line, release.authors))
    terms = f" {licence}." if licence else ""
    return f"{authors} ({release.date[:4]}). {title(release)}. Version {release.version} [Data set].{terms}"


def bibtex(release: Release) -> str:
    """The citation as a BibTeX entry, ending in a line break."""
    authors = " and ".join(_tex_author(author) for author in release.authors)
    fields = {
        "author": authors,
        "title": f"{{{_tex(title(release))}}}",
        "year": release.date[:4],
        "version": _tex(release.version),
        "note": "Data set",
    }
    key = re.sub(r"[^A-Za-z0-9]+", "_", f"{release.dataset} {release.version}").strip("_")
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}}}\n"


def citation_cff(contents: Contents) -> str:
    """Text of CITATION.cff."""
    release = contents.release
    licence, _ = licence_of(release.credits)
    told = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, please cite it and its sources.",
        "type": "dataset",
        "title": title(release),
        "abstract": abstract(contents),
        "version": release.version,
        "date-released": release.date,
        "license": licence,
        "keywords": keywords(release),
        "authors": [_cff_author(author) for author in dict.fromkeys(release.authors)],
        "references": [
            {
                "type": "data",
                "title": _one_line(credit.line),
                "authors": [{"name": _one_line(credit.author or credit.text)}],
                "license": credit.licence,
                "url": credit.url,
            }
            for credit in release.credits
        ],
    }
    return "".join(_yaml(told, ""))


def _cff_author(author: str) -> dict[str, str]:
    names = person(author)
    return {"family-names": names[0], "given-names": names[1]} if names else {"name": _one_line(author)}


def _yaml(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Lines of a mapping of texts, lists of texts and lists of mappings, in block style; what is empty is left out."""
    for key, value in mapping.items():
        if isinstance(value, list) and value:
            yield f"{indent}{key}:\n"
            for entry in value:
                lines = _yaml(entry, f"{indent}    ") if isinstance(entry, dict) else [f"{indent}    {_quoted(entry)}\n"]
                block = "".join(lines)
                yield f"{indent}  - {block[len(indent) + 4 :]}"
        elif value:
            yield f"{indent}{key}: {_quoted(value)}\n"


def _quoted(value: str) -> str:
    escaped = json.dumps(value, ensure_ascii=False)
    return _NOT_PRINTABLE_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped)


def _tex_author(author: str) -> str:
    names = person(author)
    return f"{_tex(names[0])}, {_tex(names[1])}" if names else f"{{{_tex(_one_line(author))}}}"


def _tex(value: str) -> str:
    return value.translate(_TEX)


def _one_line(value: str) -> str:
    return " ".join(value.split())
