"""Our own words in the credits of an annual report, in its languages; what a source asks to be said stays as it asks for it."""

import re
from collections.abc import Mapping

from mining_platform.annual_reports.territory_rows import kind_in
from mining_platform.annual_reports.words import by_language

_LEADS: Mapping[str, Mapping[str, str]] = by_language(
    {
        "Land cover": ("Land cover", "Cobertura da terra", "Cobertura de la tierra"),
        "Labels": ("Labels", "Rótulos", "Etiquetas"),
        "Points": ("Points", "Pontos", "Puntos"),
        "Sites": ("Sites", "Locais", "Sitios"),
        "Scenes": ("Scenes", "Cenas", "Escenas"),
        "Radar": ("Radar", "Radar", "Radar"),
        "Heights": ("Heights", "Altitudes", "Alturas"),
        "Context": ("Context", "Contexto", "Contexto"),
        "Territories": ("Territories", "Territórios", "Territorios"),
        "Compared with": ("Compared with", "Comparado com", "Comparado con"),
    }
)
"""What a credit is of, before its colon."""
_PHRASES: Mapping[str, Mapping[str, str]] = by_language(
    {
        "simulated": ("SIMULATED by this software", "SIMULADO por este software", "SIMULADO por este software"),
        "no_place": ("no real place is shown", "não mostra nenhum lugar real", "no muestra ningún lugar real"),
        "no_image": (
            "no satellite image is shown",
            "não mostra nenhuma imagem de satélite",
            "no muestra ninguna imagen de satélite",
        ),
        "nothing": ("nothing real is shown", "não mostra nada real", "no muestra nada real"),
        "polygons": ("polygons of ", "polígonos de ", "polígonos de "),
        "points": ("points of the file ", "pontos do arquivo ", "puntos del archivo "),
        "sites": ("sites of the file ", "locais do arquivo ", "sitios del archivo "),
        "terms": ("under the terms of their authors", "nos termos de seus autores", "en los términos de sus autores"),
        "theirs": (
            "Its terms hold for what is only theirs as well.",
            "Seus termos valem também para o que é só deles.",
            "Sus términos valen también para lo que es solo de ellos.",
        ),
    }
)
_LEAD = re.compile(r"(?P<of>[A-Z][a-z]+(?: [a-z]+)?)(?: \((?P<kind>[a-z][a-z0-9-]*)\))?: ")


def credit_in(line: str, language: str) -> str:
    """A line of `Contents.credits`, such as `Scenes: contains modified …`, with our own words in a language."""
    if language == "en":
        return line
    lead = _LEAD.match(line)
    if lead is None or lead["of"] not in _LEADS[language]:
        return line
    told = line[lead.end() :]
    for english, own in zip(_PHRASES["en"].values(), _PHRASES[language].values(), strict=True):
        told = told.replace(english, own)
    kind = f" ({kind_in(lead['kind'], language)})" if lead["kind"] else ""
    return f"{_LEADS[language][lead['of']]}{kind}: {told}"
