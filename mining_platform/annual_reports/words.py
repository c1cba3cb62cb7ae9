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
    "first_map": ("first map", "primeiro mapa", "primer mapa"),
    "since": ("since {first}", "desde {first}", "desde {first}"),
    "first_map_of": (
        "{region} is mapped for the first time in {year}: the {ha} ha found there are not counted as new.",
        "{region} é mapeada pela primeira vez em {year}: os {ha} ha encontrados ali não contam como novos.",
        "{region} se cartografía por primera vez en {year}: las {ha} ha encontradas allí no cuentan como nuevas.",
    ),
    "gap": (
        "{region} was last mapped in {before}: what is new there arose between {before} and {year}.",
        "{region} foi mapeada pela última vez em {before}: o que é novo ali surgiu entre {before} e {year}.",
        "{region} se cartografió por última vez en {before}: lo nuevo allí surgió entre {before} y {year}.",
    ),
    "ended": (
        "Followed before and not in {year}, so in none of these numbers (in brackets their last year): {regions}.",
        "Acompanhadas antes e não em {year}, por isso em nenhum destes números (entre parênteses seu último ano): {regions}.",
        "Seguidas antes y no en {year}, por lo que no están en estas cifras (entre paréntesis su último año): {regions}.",
    ),
    "left_out_simulated": (
        "Simulated regions of this year are not in this report: {regions}.",
        "Regiões simuladas deste ano não estão neste relatório: {regions}.",
        "Las regiones simuladas de este año no están en este informe: {regions}.",
    ),
    "left_out": (
        "Not in these numbers, because their maps could not be made: {regions}.",
        "Fora destes números, porque seus mapas não puderam ser feitos: {regions}.",
        "Fuera de estas cifras, porque sus mapas no pudieron hacerse: {regions}.",
    ),
    "map": ("Map", "Mapa", "Mapa"),
    "map_line": (
        "Red: new in {year}. Ochre: found in an earlier year. Tap a place for its size and its territories.",
        "Vermelho: novo em {year}. Ocre: encontrado em um ano anterior. Toque em um lugar para ver tamanho e territórios.",
        "Rojo: nuevo en {year}. Ocre: encontrado en un año anterior. Toque un lugar para ver tamaño y territorios.",
    ),
    "sites": ("The largest new places", "Os maiores lugares novos", "Los mayores lugares nuevos"),
    "before": ("{year}", "{year}", "{year}"),
    "no_picture": ("no image of {year}", "sem imagem de {year}", "sin imagen de {year}"),
    "no_sites": (
        "No new place is larger than the least area that is published.",
        "Nenhum lugar novo é maior que a área mínima publicada.",
        "Ningún lugar nuevo supera el área mínima que se publica.",
    ),
    "reviewed": (
        "Of the places of {year}, people confirmed {confirmed} ({confirmed_ha} ha) and left out {removed} as false alarms "
        "({removed_ha} ha).",
        "Dos lugares de {year}, pessoas confirmaram {confirmed} ({confirmed_ha} ha) e descartaram {removed} como alarmes falsos "
        "({removed_ha} ha).",
        "De los lugares de {year}, personas confirmaron {confirmed} ({confirmed_ha} ha) y descartaron {removed} como falsas "
        "alarmas ({removed_ha} ha).",
    ),
    "confirmed": ("confirmed by people", "confirmado por pessoas", "confirmado por personas"),
    "not_reviewed": ("not reviewed by people", "não revisado por pessoas", "no revisado por personas"),
    "regions": ("Regions", "Regiões", "Regiones"),
    "region": ("region", "região", "región"),
    "by_year": ("Year by year", "Ano a ano", "Año por año"),
    "not_again": ("not found again", "não encontrada de novo", "no encontrada de nuevo"),
    "unseen": ("not observed", "não observada", "no observada"),
    "mapped_by": ("mapped by", "mapeada por", "cartografiada por"),
    "by_model": ("model {model}", "modelo {model}", "modelo {model}"),
    "outlined": (
        "model {model}, outlined by model {other}",
        "modelo {model}, contornos do modelo {other}",
        "modelo {model}, contornos del modelo {other}",
    ),
    "by_map": (
        "land-cover map, collection {collection}",
        "mapa de cobertura da terra, coleção {collection}",
        "mapa de cobertura de la tierra, colección {collection}",
    ),
    "territories": ("Territories", "Territórios", "Territorios"),
    "territories_line": (
        "Hectares in each territory, of all that was found since {first} and of what is new; ground in two territories of one "
        "kind counts in both.",
        "Hectares em cada território, de tudo o que foi encontrado desde {first} e do que é novo; o chão em dois territórios do "
        "mesmo tipo conta em ambos.",
        "Hectáreas en cada territorio, de todo lo encontrado desde {first} y de lo nuevo; el suelo en dos territorios del mismo "
        "tipo cuenta en ambos.",
    ),
    "territories_elsewhere": (
        "None of the named territories lies in these regions.",
        "Nenhum dos territórios indicados fica nestas regiões.",
        "Ninguno de los territorios indicados está en estas regiones.",
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
    "since_ha": ("found since {first}, ha", "encontrada desde {first}, ha", "encontrada desde {first}, ha"),
    "share": (
        "share of its area since {first}",
        "parte de sua área desde {first}",
        "parte de su área desde {first}",
    ),
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
    "by_pixel": (
        "by pixel: {pixels} pixels of test patches",
        "por pixel: {pixels} pixels de recortes de teste",
        "por píxel: {pixels} píxeles de recortes de prueba",
    ),
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
    "area": ("Area from a reviewed sample", "Área a partir de uma amostra revisada", "Área a partir de una muestra revisada"),
    "area_line": (
        "People looked at windows drawn at random and told how much of each is mining: an estimate that does not depend on the "
        "map's errors (Olofsson et al. 2014).",
        "Pessoas olharam janelas sorteadas e disseram quanto de cada uma é mineração: uma estimativa que não depende dos erros "
        "do mapa (Olofsson et al. 2014).",
        "Personas miraron ventanas sorteadas y dijeron cuánto de cada una es minería: una estimación que no depende de los "
        "errores del mapa (Olofsson et al. 2014).",
    ),
    "reviewed_windows": ("windows reviewed", "janelas revisadas", "ventanas revisadas"),
    "reviewer": ("reviewer", "revisão", "revisión"),
    "estimated": (
        "estimated from a reviewed sample: {area} ha ({low} to {high}, 95 %)",
        "estimada por amostra revisada: {area} ha ({low} a {high}, 95 %)",
        "estimada por muestra revisada: {area} ha ({low} a {high}, 95 %)",
    ),
    "no_area": (
        "No interval stands beside the hectares of {regions}: nobody has reviewed a sample of that ground. They are what the map "
        "says, with its errors.",
        "Não há intervalo para os hectares de {regions}: ninguém revisou uma amostra desse chão. São o que o mapa diz, com seus "
        "erros.",
        "No hay intervalo para las hectáreas de {regions}: nadie revisó una muestra de ese suelo. Son lo que dice el mapa, con "
        "sus errores.",
    ),
    "earlier": ("found before {year}", "encontrada antes de {year}", "encontrada antes de {year}"),
    "km_east": ("km east", "km leste", "km este"),
    "km_north": ("km north", "km norte", "km norte"),
    "compared": ("Compared with others", "Comparação com outros", "Comparación con otros"),
    "compared_line": (
        "Hectares on the ellipsoid, over the ground that both sides map. Overlap is what both find over what either finds.",
        "Hectares no elipsoide, no chão que os dois lados mapeiam. Sobreposição é o que ambos encontram sobre o que um deles "
        "encontra.",
        "Hectáreas en el elipsoide, en el suelo que ambos lados cartografían. Superposición es lo que ambos encuentran sobre lo "
        "que alguno encuentra.",
    ),
    "system": ("other system", "outro sistema", "otro sistema"),
    "ours": ("ours", "nosso", "nuestro"),
    "theirs": ("theirs", "deles", "de ellos"),
    "both": ("both", "ambos", "ambos"),
    "only_ours": ("only ours", "só nosso", "solo nuestro"),
    "only_theirs": ("only theirs", "só deles", "solo de ellos"),
    "no_data": ("no data", "sem dados", "sin datos"),
    "overlap": ("overlap", "sobreposição", "superposición"),
    "found_share": ("of theirs, found by us", "do deles, encontrado por nós", "de lo suyo, encontrado por nosotros"),
    "known_share": ("of ours, known to them", "do nosso, conhecido por eles", "de lo nuestro, conocido por ellos"),
    "span_year": ("of the year", "do ano", "del año"),
    "span_to_date": ("of all years so far", "de todos os anos até agora", "de todos los años hasta ahora"),
    "compared_places": ("Place by place", "Lugar por lugar", "Lugar por lugar"),
    "compared_places_line": (
        "Connected ground of more than {ha} ha counts as a place, and as found where the other side finds any of it: so the size "
        "of cells matters little.",
        "Chão contíguo de mais de {ha} ha conta como um lugar, e como encontrado onde o outro lado encontra parte dele: assim o "
        "tamanho das células pouco importa.",
        "Suelo contiguo de más de {ha} ha cuenta como un lugar, y como encontrado donde el otro lado encuentra parte de él: así "
        "el tamaño de las celdas importa poco.",
    ),
    "their_places": ("their places", "lugares deles", "lugares de ellos"),
    "their_places_found": ("found by us", "encontrados por nós", "encontrados por nosotros"),
    "our_places": ("our places", "nossos lugares", "nuestros lugares"),
    "our_places_known": ("known to them", "conhecidos por eles", "conocidos por ellos"),
    "cells": ("cells, ours / theirs", "células, nossas / deles", "celdas, nuestras / de ellos"),
    "missed_ours": (
        "The largest places that only we have",
        "Os maiores lugares que só nós temos",
        "Los mayores lugares que solo nosotros tenemos",
    ),
    "missed_theirs": (
        "The largest places that only {system} has",
        "Os maiores lugares que só {system} tem",
        "Los mayores lugares que solo {system} tiene",
    ),
    "compared_truth": (
        "Neither side is the truth: ground that only one of them has is a place to look at, not an error of the other.",
        "Nenhum dos lados é a verdade: chão que só um deles tem é um lugar a olhar, não um erro do outro.",
        "Ninguno de los lados es la verdad: el suelo que solo uno tiene es un lugar que mirar, no un error del otro.",
    ),
    "compared_cells": (
        "Large squares take in ground around a mine that a map of small pixels leaves out: hectares of one side alone are partly "
        "that.",
        "Quadrados grandes incluem chão em volta de uma mina que um mapa de pixels pequenos deixa fora: hectares de um só lado "
        "são em parte isso.",
        "Los cuadrados grandes incluyen suelo alrededor de una mina que un mapa de píxeles pequeños deja fuera: las hectáreas de "
        "un solo lado son en parte eso.",
    ),
    "not_compared_no_file": (
        "Not compared with {system} in {region}: its file is not there.",
        "Sem comparação com {system} em {region}: o arquivo não está lá.",
        "Sin comparación con {system} en {region}: su archivo no está.",
    ),
    "not_compared_other_years": (
        "Not compared with {system} in {region}: it tells of other years.",
        "Sem comparação com {system} em {region}: trata de outros anos.",
        "Sin comparación con {system} en {region}: trata de otros años.",
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
    "caveat_squares": (
        "In {count} squares of {region} the first model found mining and the second outlined none: they are not in the hectares.",
        "Em {count} quadrados de {region} o primeiro modelo encontrou mineração e o segundo não contornou nenhuma: não estão nos "
        "hectares.",
        "En {count} cuadrados de {region} el primer modelo encontró minería y el segundo no contorneó ninguna: no están en las "
        "hectáreas.",
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
    "unknown_before": (
        "What the last release told of {regions} is no longer kept, so it cannot be compared.",
        "O que a última versão dizia de {regions} não está mais guardado e não pode ser comparado.",
        "Lo que la última versión decía de {regions} ya no se conserva y no se puede comparar.",
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


def by_language(rows: Mapping[str, tuple[str, str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Language -> key -> words, of rows of English, Portuguese and Spanish."""
    return {language: {key: row[position] for key, row in rows.items()} for position, language in enumerate(LANGUAGES)}


WORDS = by_language(_ROWS)
SEPARATORS: Mapping[str, tuple[str, str]] = {"en": (",", "."), "pt": (".", ","), "es": (".", ",")}
"""Of thousands and of decimals, by language."""


def number(value: float, language: str, decimals: int = 0) -> str:
    """A number as a language writes it: `1,234.5` or `1.234,5`."""
    thousands, point = SEPARATORS[language]
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", thousands + point))
