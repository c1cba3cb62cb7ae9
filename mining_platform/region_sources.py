"""Where a region's map, scenes and layers come from, as a region file says it: checked and read, field by field."""

import re
from collections.abc import Mapping

from mining_platform import bands, profiles, scene_collections
from mining_platform.compositing.recipes import RECIPES
from mining_platform.detection_rules import DETECTION_RULES, IN_FIELDS
from mining_platform.radar import RADAR_RECIPES, declared_recipe
from mining_platform.region_fields import Fields
from mining_platform.regions import (
    LAND_COVER_SOURCES,
    LAYERS_BESIDE,
    MONITORING_SOURCES,
    NO_CLOUD_LIMIT,
    ORBITS,
    SCENE_SOURCES,
    SPANS,
    STAC_APIS,
    YEAR_PLACEHOLDER,
    Beside,
    LandCover,
    Monitoring,
    OtherSystem,
    Scenes,
    TerritoryLayer,
)

FILES_BESIDE = ("archive", "openstreetmap")
"""Sources of layers whose place is a folder or file of the user's own."""
MODEL_KEY = re.compile(r"[a-z0-9-]{1,64}\|\d{4}")
TERRITORY_KIND = re.compile(r"[a-z][a-z0-9-]{0,63}")
SYSTEM_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
OWN_MAP = "land-cover"
"""As which the region's own land-cover map is compared; no other system is called so."""
USUAL_MIN_AREA_HA = 11.0
"""Of new mining, as Amazon Mining Watch publishes it."""
DATE = re.compile(r"(\d{4}|\{year\})-\d{2}-\d{2}")


def land_cover_of(fields: Fields) -> LandCover | None:
    """The field `land_cover`; None where it says that there is none."""
    part = fields.part("land_cover")
    if part is None:
        return None
    source = part.text("source", choices=LAND_COVER_SOURCES)
    collection, href = part.text("collection"), part.href("href", with_year=True)
    years = part.span("years")
    names = part.text("bands", default="") or None
    if names is not None and YEAR_PLACEHOLDER not in names:
        raise part.fail("bands", f"{names!r} does not name the year", "Use a template such as 'classification_{year}'.")
    if names is None and YEAR_PLACEHOLDER not in href and years[0] != years[1]:
        raise part.fail("href", "has no {year} although the source spans several years", "Add {year}, or 'bands'.")
    cover = LandCover(source, collection, href, years, names, part.flag("simulated"), _classes(part, source))
    part.done()
    return cover


def _classes(part: Fields, source: str) -> Mapping[str, int]:
    """Class codes of a polygon file's class names; empty for the other sources."""
    value = part.properties.pop("classes", None)
    if source != "polygons":
        if value is not None:
            raise part.fail("classes", f"is for the source polygons, not {source}", "Remove it.")
        return {}
    codes = value.values() if isinstance(value, dict) else ()
    if not codes or not all(type(code) is int and 0 < code < 256 for code in codes):  # noqa: PLR2004 - codes are uint8
        raise part.fail("classes", f"expected class codes by name, found {value!r}", 'Write e.g. {"mine": 30, "forest": 3}.')
    return dict(value)


def scenes_of(fields: Fields) -> Scenes | None:
    """The field `scenes`; None where it says that there are none."""
    part = fields.part("scenes")
    if part is None:
        return None
    source = part.text("source", choices=SCENE_SOURCES)
    collection = scene_collections.COLLECTIONS[part.text("collection", choices=tuple(scene_collections.COLLECTIONS))]
    provider = part.text("provider", choices=tuple(STAC_APIS), default="earth-search")
    recipe = part.text("recipe", choices=tuple(RECIPES), default=collection.recipe)
    most = part.percentage("max_cloud_pct", default=NO_CLOUD_LIMIT)
    named = part.text("profile", choices=_profiles_of(collection.sensor), default=collection.profile)
    profile = named if named != collection.profile else ""
    scenes = Scenes(source, collection.id, provider, recipe, _places(part, source), part.flag("simulated"), most, profile)
    part.done()
    return scenes


def _profiles_of(sensor: str) -> tuple[str, ...]:
    """Profiles whose channels are all bands of a sensor, as those of a mosaic are."""
    return tuple(row.id for row in profiles.PROFILES.values() if {bands.band(each).sensor for each in row.channels} == {sensor})


def _places(part: Fields, source: str) -> Mapping[str, str]:
    """`href`: a text is the place of the feature's own source, an object has a place by source."""
    if "href" not in part.properties:
        return {}
    if isinstance(part.properties["href"], str):
        return {source: part.href("href", with_year=False)}
    places = (
        Fields(part.properties.pop("href") or {}, f"{part.where}, href") if isinstance(part.properties["href"], dict) else None
    )
    if places is None:
        raise part.fail("href", "expected a text, or an object of texts by source", 'Write {"stac": "…", "archive": "…"}.')
    found = {name: places.href(name, with_year=False) for name in SCENE_SOURCES if name in places.properties}
    places.done()
    return found


def layers_beside_of(fields: Fields) -> dict[str, Beside]:
    """The optional fields of layers, by LAYERS_BESIDE."""
    found = {layer: fields.part(layer) for layer in LAYERS_BESIDE if layer in fields.properties}
    return {layer: _beside(part, layer) for layer, part in found.items() if part is not None}


def _beside(part: Fields, layer: str) -> Beside:
    source = part.text("source", choices=LAYERS_BESIDE[layer])
    known = scene_collections.COLLECTIONS_BESIDE[layer]
    collection = part.text("collection", choices=known, default=known[0])
    named = "href" in part.properties or source in FILES_BESIDE
    href = part.href("href", with_year=True) if named else ""
    date = part.text("date", default="")
    if date and not DATE.fullmatch(date):
        raise part.fail("date", f"{date!r} is no day", "Write e.g. 2024-07-01, or {year}-07-01.")
    recipe, orbit = _radar(part) if layer == "radar" else ("", "")
    found = Beside(source, collection, href, part.flag("simulated"), date, recipe, orbit)
    part.done()
    return found


def _radar(part: Fields) -> tuple[str, str]:
    """Recipe and orbit of a radar, empty where none is named."""
    recipe, orbit = (
        part.text(field, choices=choices) if field in part.properties else ""
        for field, choices in (("recipe", tuple(RADAR_RECIPES)), ("orbit", ORBITS))
    )
    try:
        declared_recipe(recipe, orbit)
    except ValueError as error:
        raise part.fail("orbit", str(error).rstrip("."), "Name another recipe, or leave out the orbit.") from None
    return recipe, orbit


def monitoring_of(fields: Fields) -> Monitoring | None:
    """The optional field `monitoring`."""
    part = fields.part("monitoring") if "monitoring" in fields.properties else None
    if part is None:
        return None
    source = part.text("source", choices=MONITORING_SOURCES)
    model = _model(part, "deployed_model", part.text("deployed_model")) if source == "model" else ""
    outlines = _model(part, "outlined_by", part.text("outlined_by", default="")) if source == "model" else ""
    rule = part.text("rule", choices=tuple(DETECTION_RULES), default=IN_FIELDS) if source == "model" else ""
    least = part.hectares("min_area_ha", default=USUAL_MIN_AREA_HA)
    layers = tuple(_territories(each) for each in part.parts("territories"))
    found = Monitoring(source, rule, least, model, layers, _other_systems(part), outlines)
    part.done()
    return found


def _model(part: Fields, field: str, model: str) -> str:
    if model and not MODEL_KEY.fullmatch(model):
        raise part.fail(field, f"{model!r} is no partition of models", "Write e.g. sim-cnn-48|2023.")
    return model


def _other_systems(part: Fields) -> tuple[OtherSystem, ...]:
    """The optional field `compared_with`; every system has an id of its own."""
    found = tuple(_other_system(each) for each in part.parts("compared_with"))
    ids = [OWN_MAP, *(each.id for each in found)]
    if twice := [each for number, each in enumerate(ids) if each in ids[:number]]:
        raise part.fail("compared_with", f"the id {twice[0]!r} is taken already", "Give each system an id of its own.")
    return found


def _other_system(part: Fields) -> OtherSystem:
    system_id = part.text("id")
    if not SYSTEM_ID.fullmatch(system_id):
        raise part.fail("id", f"{system_id!r} is no id of a system", "Use a-z, 0-9 and '-', beginning with a letter.")
    system = OtherSystem(
        system_id,
        part.text("name"),
        part.href("href", with_year=True),
        part.text("year_field", default=""),
        part.text("span", choices=SPANS, default=SPANS[0]),
        part.metres("cell_m", default=0),
        part.text("credit", default=""),
        part.text("licence", default=""),
        simulated=part.flag("simulated"),
    )
    part.done()
    return system


def _territories(part: Fields) -> TerritoryLayer:
    kind = part.text("kind")
    if not TERRITORY_KIND.fullmatch(kind):
        raise part.fail("kind", f"{kind!r} is no kind of territory", "Use a-z, 0-9 and '-', beginning with a letter.")
    href, named = part.href("href", with_year=False), {"id": part.text("id"), "name": part.text("name")}
    terms = {name: part.text(name, default="") for name in ("licence", "credit")}
    layer = TerritoryLayer(kind, href, **named, **terms, simulated=part.flag("simulated"))
    part.done()
    return layer
