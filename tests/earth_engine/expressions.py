"""Decoding and evaluating an expression graph, and writing its value as JSON.

The form is that of https://developers.google.com/earth-engine/reference/rest/Shared.Types/Expression: named values that
refer to each other; functions are applied to named arguments.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from shapely.geometry import mapping

from tests.earth_engine.bands import Band
from tests.earth_engine.elements import INDEX, Collection, Element, Feature, Image, Reference
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import DEFAULT_PROJECTION, Projection
from tests.earth_engine.values import Date

Functions = Mapping[str, Callable[..., Any]]
MAX_ELEMENTS = 5000  # "Collection query aborted after accumulating over 5000 elements." (guide Coding best practices)


@dataclass(frozen=True)
class Scope:
    """Arguments of a function while its body is evaluated, and what was evaluated with them."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


def evaluate(expression: Mapping[str, Any], functions: Functions) -> Any:
    """The value of a whole expression; RefusedError 400 for a malformed one or an unknown function."""
    try:
        graph, result = expression["values"], expression["result"]
    except (KeyError, TypeError):
        raise RefusedError("Invalid JSON payload received: an expression has 'result' and 'values'.") from None
    return _named(result, graph, functions, Scope())


def _named(name: str, graph: Mapping[str, Any], functions: Functions, scope: Scope) -> Any:
    if name not in graph:
        raise RefusedError(f"Expression refers to the value '{name}', which it does not have.")
    if name not in scope.known:
        scope.known[name] = _node(graph[name], graph, functions, scope)
    return scope.known[name]


def _node(node: Mapping[str, Any], graph: Mapping[str, Any], functions: Functions, scope: Scope) -> Any:
    ((kind, content),) = node.items()
    match kind:
        case "constantValue":
            return content
        case "integerValue":
            return int(content)
        case "valueReference":
            return _named(content, graph, functions, scope)
        case "argumentReference":
            return _argument(content, scope)
        case "arrayValue":
            return [_node(one, graph, functions, scope) for one in content.get("values", [])]
        case "dictionaryValue":
            return {key: _node(one, graph, functions, scope) for key, one in content.get("values", {}).items()}
        case "functionDefinitionValue":
            return _definition(content, graph, functions, scope)
        case "functionInvocationValue":
            return _invocation(content, graph, functions, scope)
    raise RefusedError(f"Expression node '{kind}' is not known to this stand-in.")


def _argument(name: str, scope: Scope) -> Any:
    if name not in scope.arguments:
        raise RefusedError(f"Expression refers to the argument '{name}' outside of its function.")
    return scope.arguments[name]


def _definition(content: Mapping[str, Any], graph: Mapping[str, Any], functions: Functions, scope: Scope) -> Callable[..., Any]:
    """A function of positional arguments; its body sees the arguments around it."""
    names = content.get("argumentNames", [])

    def call(*arguments: Any) -> Any:
        inner = Scope({**scope.arguments, **dict(zip(names, arguments, strict=True))})
        return _named(content["body"], graph, functions, inner)

    return call


def _invocation(content: Mapping[str, Any], graph: Mapping[str, Any], functions: Functions, scope: Scope) -> Any:
    arguments = {name: _node(node, graph, functions, scope) for name, node in content.get("arguments", {}).items()}
    if "functionReference" in content:
        return _named(content["functionReference"], graph, functions, scope)(*arguments.values())
    name = content["functionName"]
    if name not in functions:
        raise RefusedError(
            f"Function {name} is not known to this stand-in of Earth Engine; add it to tests/earth_engine/functions.py."
        )
    return _applied(name, functions[name], {_snake(key): value for key, value in arguments.items()})


def _applied(name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        bound = inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise RefusedError(f"{name}: {error}. (Arguments in snake_case.)") from None
    return function(*bound.args, **bound.kwargs)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)


def as_json(value: Any) -> Any:
    """A value as `getInfo` returns it."""
    match value:
        case Image():
            return _image_json(value)
        case Feature():
            return feature_json(value)
        case Collection():
            return _collection_json(value)
        case Reference():
            return mapping(value.shape)
        case Date():
            return {"type": "Date", "value": value.millis}
        case Projection():
            return {"type": "Projection", "crs": value.crs, "transform": list(value.transform)}
        case dict():
            return {key: as_json(one) for key, one in value.items()}
        case list() | tuple():
            return [as_json(one) for one in value]
        case np.generic():
            return value.item()
        case None | bool() | int() | float() | str():
            return value
    raise RefusedError(f"A value of type {type(value).__name__} cannot be returned.")


def feature_json(element: Element) -> dict[str, Any]:
    """An element as GeoJSON, as `computeFeatures` and `getInfo` give features."""
    shape = element.geometry if isinstance(element, Feature) else element.footprint
    properties = {key: as_json(one) for key, one in element.properties.items() if key != INDEX}
    geometry = None if shape is None else mapping(shape)
    identity = {"id": element.properties[INDEX]} if element.properties.get(INDEX) is not None else {}
    return {"type": "Feature", "geometry": geometry, **identity, "properties": properties}


def _image_json(image: Image) -> dict[str, Any]:
    identity = {"id": image.asset_id} if image.asset_id else {}
    properties = {key: as_json(one) for key, one in image.properties.items()}
    return {"type": "Image", "bands": [_band_json(band) for band in image.bands], **identity, "properties": properties}


def _band_json(band: Band) -> dict[str, Any]:
    projection = band.projection or DEFAULT_PROJECTION
    return {
        "id": band.name,
        "data_type": pixel_type(band.dtype),
        "crs": projection.crs,
        "crs_transform": list(projection.transform),
    }


def pixel_type(dtype: np.dtype) -> dict[str, Any]:
    """Earth Engine's description of a pixel type."""
    if dtype.kind == "f":
        return {"type": "PixelType", "precision": "float" if dtype.itemsize == 4 else "double"}
    return {"type": "PixelType", "precision": "int", "min": int(np.iinfo(dtype).min), "max": int(np.iinfo(dtype).max)}


def _collection_json(collection: Collection) -> dict[str, Any]:
    if len(collection.elements) > MAX_ELEMENTS:
        raise RefusedError(f"Collection query aborted after accumulating over {MAX_ELEMENTS} elements.")
    identity = {"id": collection.asset_id} if collection.asset_id else {}
    images = bool(collection.elements) and all(isinstance(one, Image) for one in collection.elements)
    kind = (
        {"type": "ImageCollection", "bands": []}
        if images or collection.asset_id
        else {"type": "FeatureCollection", "columns": {}}
    )
    return {**kind, **identity, "features": [as_json(one) for one in collection.elements]}
