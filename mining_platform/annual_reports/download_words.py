"""What the downloads of the annual report are, in its languages."""

from collections.abc import Mapping

from mining_platform.annual_reports.words import by_language

DOWNLOAD_WORDS: Mapping[str, Mapping[str, str]] = by_language(
    {
        "new": ("places new in {year}", "lugares novos em {year}", "lugares nuevos en {year}"),
        "all": (
            "places found from {first} to {year}",
            "lugares encontrados de {first} a {year}",
            "lugares encontrados de {first} a {year}",
        ),
        "first_years": (
            "year in which each cell was first found, {region}",
            "ano em que cada célula foi encontrada pela primeira vez, {region}",
            "año en que cada celda se encontró por primera vez, {region}",
        ),
        "territories": (
            "hectares by territory: found from {first} to {year} (mining_ha), new in {year} (new_ha), its own (area_ha)",
            "hectares por território: encontrados de {first} a {year} (mining_ha), novos em {year} (new_ha), os seus (area_ha)",
            "hectáreas por territorio: halladas de {first} a {year} (mining_ha), nuevas en {year} (new_ha), las suyas (area_ha)",
        ),
        "comparison": (
            "hectares and places beside other systems', by region and system",
            "hectares e lugares ao lado dos de outros sistemas, por região e sistema",
            "hectáreas y lugares junto a los de otros sistemas, por región y sistema",
        ),
        "only_ours": (
            "places that another system lacks",
            "lugares que faltam em outro sistema",
            "lugares que faltan en otro sistema",
        ),
        "only_theirs": (
            "places of other systems that are lacking here",
            "lugares de outros sistemas que faltam aqui",
            "lugares de otros sistemas que faltan aquí",
        ),
        "agreement": (
            "0 neither, 1 both, 2 only ours, 3 only {system}, {region}",
            "0 nenhum, 1 ambos, 2 só nosso, 3 só {system}, {region}",
            "0 ninguno, 1 ambos, 2 solo nuestro, 3 solo {system}, {region}",
        ),
        "licence": ("terms and sources", "termos e fontes", "términos y fuentes"),
        "citation": ("how to cite", "como citar", "cómo citar"),
    }
)
