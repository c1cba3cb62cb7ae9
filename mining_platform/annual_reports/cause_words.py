"""Why a number was restated, in the languages of the annual report."""

from collections.abc import Mapping

from mining_platform.audits.changes import CAUSES

_ROWS: Mapping[str, tuple[str, str]] = {
    "label collection": ("os mapas são de outra coleção", "los mapas son de otra colección"),
    "land-cover file": ("um mapa da mesma coleção tem outro conteúdo", "un mapa de la misma colección tiene otro contenido"),
    "scenes": ("outras cenas, ou outras versões delas", "otras escenas, u otras versiones de ellas"),
    "reviews": ("pessoas decidiram de outro modo", "personas decidieron de otro modo"),
    "outside files": (
        "pontos, polígonos ou territórios têm outro conteúdo",
        "puntos, polígonos o territorios tienen otro contenido",
    ),
    "deployed model": ("outro modelo foi posto em uso", "se puso en uso otro modelo"),
    "model": ("o experimento é outro", "el experimento es otro"),
    "code": ("o código que os produz é de outra versão", "el código que los produce es de otra versión"),
    "configuration": (
        "configurações do conjunto de dados, da receita ou da grade são outras",
        "ajustes del conjunto de datos, de la receta o de la cuadrícula son otros",
    ),
    "inputs": (
        "um dos lados tem partições que o outro não tem",
        "uno de los lados tiene particiones que el otro no tiene",
    ),
    "program": (
        "entradas, código e configurações iguais, mas outros pacotes, Python, commit ou processador",
        "entradas, código y ajustes iguales, pero otros paquetes, Python, commit o procesador",
    ),
    "unexplained": (
        "nada do que está registrado difere: a produção não é reprodutível",
        "nada de lo registrado difiere: la producción no es reproducible",
    ),
}
"""Key of `audits.changes.CAUSES` -> Portuguese, Spanish; English is there."""

CAUSE_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": CAUSES,
    "pt": {cause: row[0] for cause, row in _ROWS.items()},
    "es": {cause: row[1] for cause, row in _ROWS.items()},
}
