"""The words of the annual report in English, Portuguese and Spanish; a language has every key, or the module does not load."""

from collections.abc import Mapping

LANGUAGES: Mapping[str, str] = {"en": "English", "pt": "Português", "es": "Español"}

_ROWS: Mapping[str, tuple[str, str, str]] = {
    "title": ("New mining in {year}", "Nova mineração em {year}", "Nueva minería en {year}"),
    "simulated": (
        "SIMULATED DATA: no picture or number on this page shows a real place.",
        "DADOS SIMULADOS: nenhuma imagem ou número desta página mostra um lugar real.",
        "DATOS SIMULADOS: ninguna imagen ni cifra de esta página muestra un lugar real.",
    ),
    "partly_simulated": (
        "PARTLY SIMULATED DATA: regions marked SIMULATED show no real place.",
        "DADOS EM PARTE SIMULADOS: as regiões marcadas SIMULADO não mostram lugares reais.",
        "DATOS EN PARTE SIMULADOS: las regiones marcadas SIMULADO no muestran lugares reales.",
    ),
    "mark": ("SIMULATED", "SIMULADO", "SIMULADO"),
    "new": ("new mining in {year}", "nova mineração em {year}", "nueva minería en {year}"),
    "found": ("mining found in {year}", "mineração encontrada em {year}", "minería encontrada en {year}"),
    "total": (
        "found since {first}, each place counted once",
        "encontrada desde {first}, cada lugar contado uma vez",
        "encontrada desde {first}, cada lugar contado una vez",
    ),
    "places": ("new places larger than {ha} ha", "novos lugares com mais de {ha} ha", "nuevos lugares de más de {ha} ha"),
    "first_year": (
        "The first year that is mapped here: all that was found counts as new.",
        "O primeiro ano mapeado aqui: tudo o que foi encontrado conta como novo.",
        "El primer año cartografiado aquí: todo lo encontrado cuenta como nuevo.",
    ),
    "left_out": (
        "Not in these numbers, because their maps could not be made: {regions}.",
        "Fora destes números, porque seus mapas não puderam ser feitos: {regions}.",
        "Fuera de estas cifras, porque sus mapas no pudieron hacerse: {regions}.",
    ),
    "map": ("Map", "Mapa", "Mapa"),
    "map_line": (
        "Red: new in {year}. Ochre: found in an earlier year. Tap a place for its size.",
        "Vermelho: novo em {year}. Ocre: encontrado em um ano anterior. Toque em um lugar para ver o tamanho.",
        "Rojo: nuevo en {year}. Ocre: encontrado en un año anterior. Toque un lugar para ver su tamaño.",
    ),
    "sites": ("The largest new places", "Os maiores lugares novos", "Los mayores lugares nuevos"),
    "before": ("{year}", "{year}", "{year}"),
    "no_picture": ("no image of {year}", "sem imagem de {year}", "sin imagen de {year}"),
    "no_sites": (
        "No new place is larger than the least area that is published.",
        "Nenhum lugar novo é maior que a área mínima publicada.",
        "Ningún lugar nuevo supera el área mínima que se publica.",
    ),
    "regions": ("Regions", "Regiões", "Regiones"),
    "region": ("region", "região", "región"),
    "by_year": ("Year by year", "Ano a ano", "Año por año"),
    "not_again": ("not found again", "não encontrada de novo", "no encontrada de nuevo"),
    "unseen": ("not observed", "não observada", "no observada"),
    "mapped_by": ("mapped by", "mapeada por", "cartografiada por"),
    "by_model": ("model {model}", "modelo {model}", "modelo {model}"),
    "by_map": (
        "land-cover map, collection {collection}",
        "mapa de cobertura da terra, coleção {collection}",
        "mapa de cobertura de la tierra, colección {collection}",
    ),
    "territories": ("Territories", "Territórios", "Territorios"),
    "territories_line": (
        "Hectares in each territory; ground in two territories of one kind counts in both.",
        "Hectares em cada território; o chão em dois territórios do mesmo tipo conta em ambos.",
        "Hectáreas en cada territorio; el suelo en dos territorios del mismo tipo cuenta en ambos.",
    ),
    "no_territories": (
        "No territories were named for this report.",
        "Nenhum território foi indicado para este relatório.",
        "No se indicaron territorios para este informe.",
    ),
    "territory": ("territory", "território", "territorio"),
    "kind": ("kind", "tipo", "tipo"),
    "outside": ("in none of them", "em nenhum deles", "en ninguno de ellos"),
    "mining_ha": ("mining, ha", "mineração, ha", "minería, ha"),
    "new_ha": ("new, ha", "nova, ha", "nueva, ha"),
    "share": ("share of its area", "parte de sua área", "parte de su área"),
    "accuracy": ("How sure this is", "Quão seguro isto é", "Qué tan seguro es esto"),
    "accuracy_line": (
        "On test patches that the model never saw. Intervals are 95 %, by bootstrap over neighbouring patches.",
        "Em recortes de teste que o modelo nunca viu. Intervalos de 95 %, por bootstrap sobre recortes vizinhos.",
        "En recortes de prueba que el modelo nunca vio. Intervalos del 95 %, por bootstrap sobre recortes vecinos.",
    ),
    "precision": ("precision", "precisão", "precisión"),
    "sensitivity": ("sensitivity", "sensibilidade", "sensibilidad"),
    "specificity": ("specificity", "especificidade", "especificidad"),
    "positives": ("test patches with mining", "recortes de teste com mineração", "recortes de prueba con minería"),
    "negatives": ("without", "sem", "sin"),
    "unscored": (
        "Scores of these models are not published: {models}.",
        "As notas destes modelos não estão publicadas: {models}.",
        "Las puntuaciones de estos modelos no están publicadas: {models}.",
    ),
    "map_accuracy": (
        "Where a region is mapped by a land-cover map, its accuracy is that of the map: see its publisher.",
        "Onde uma região é mapeada por um mapa de cobertura, a exatidão é a do mapa: veja quem o publica.",
        "Donde una región se cartografía con un mapa de cobertura, su exactitud es la del mapa: véase quién lo publica.",
    ),
    "caveats": ("What these numbers are not", "O que estes números não são", "Lo que estas cifras no son"),
    "caveat_detection": (
        "A detection is ground that looks like mining to a model or a map. It is no proof of a crime: whether mining is legal "
        "is not visible in an image.",
        "Uma detecção é chão que parece mineração para um modelo ou mapa. Não é prova de crime: se a mineração é legal não se vê "
        "em uma imagem.",
        "Una detección es suelo que parece minería para un modelo o un mapa. No es prueba de un delito: si la minería es legal "
        "no se ve en una imagen.",
    ),
    "caveat_cells": (
        "A model that judges squares of ground counts them whole: hectares of {region} are of squares of {cell} m.",
        "Um modelo que julga quadrados de chão os conta inteiros: os hectares de {region} são de quadrados de {cell} m.",
        "Un modelo que juzga cuadrados de suelo los cuenta enteros: las hectáreas de {region} son de cuadrados de {cell} m.",
    ),
    "caveat_union": (
        "Places found once stay in the total, also where mining has ended or ground is under clouds.",
        "Lugares encontrados uma vez ficam no total, também onde a mineração terminou ou há nuvens.",
        "Los lugares encontrados una vez quedan en el total, también donde la minería terminó o hay nubes.",
    ),
    "restated": (
        "What changed since the last release",
        "O que mudou desde a última versão",
        "Qué cambió desde la última versión",
    ),
    "first_release": (
        "This is the first release of this page.",
        "Esta é a primeira versão desta página.",
        "Esta es la primera versión.",
    ),
    "nothing_restated": (
        "No number of an earlier year was restated.",
        "Nenhum número de um ano anterior foi revisto.",
        "Ninguna cifra de un año anterior fue revisada.",
    ),
    "was": ("was, ha", "era, ha", "era, ha"),
    "is": ("is, ha", "é, ha", "es, ha"),
    "because": ("because", "porque", "porque"),
    "downloads": ("Downloads", "Dados", "Datos"),
    "sources": ("Sources and licences", "Fontes e licenças", "Fuentes y licencias"),
    "licence": ("Licence of these data: {licence}.", "Licença destes dados: {licence}.", "Licencia de estos datos: {licence}."),
    "audit": (
        "What every number rests on, down to raw inputs: lineage audit of the year.",
        "Em que cada número se apoia, até os dados brutos: auditoria de linhagem do ano.",
        "En qué se apoya cada cifra, hasta los datos brutos: auditoría de linaje del año.",
    ),
    "year": ("year", "ano", "año"),
}
"""Key -> English, Portuguese, Spanish; `{…}` is filled in."""

WORDS: Mapping[str, Mapping[str, str]] = {
    language: {key: str(row[position]) for key, row in _ROWS.items()} for position, language in enumerate(LANGUAGES)
}
SEPARATORS: Mapping[str, tuple[str, str]] = {"en": (",", "."), "pt": (".", ","), "es": (".", ",")}
"""Of thousands and of decimals, by language."""


def number(value: float, language: str, decimals: int = 0) -> str:
    """A number as a language writes it: `1,234.5` or `1.234,5`."""
    thousands, point = SEPARATORS[language]
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", thousands + point))
