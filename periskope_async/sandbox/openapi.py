"""The OpenAPI text of the endpoints, made from the table that answers them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.sandbox.routes import Route, Schema

__all__ = ["openapi_of"]

_ERROR: Schema = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "status": {"type": "integer"},
    },
    "required": ["code", "message", "status"],
    "additionalProperties": False,
}
_FIELDS: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"message": {"type": "string"}, "value": {"type": "string"}},
        "required": ["message"],
        "additionalProperties": False,
    },
}
_REFUSAL: Schema = {
    **_ERROR,
    "properties": {
        **_ERROR["properties"],
        "code": {"const": "VALIDATION_ERROR"},
        "fields": _FIELDS,
        "name": {"const": "Validation Error"},
    },
    "required": ["code", "message", "status", "fields"],
}


def openapi_of(routes: Sequence[Route]) -> dict[str, Any]:
    """Make the OpenAPI 3.1 text of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Periskope, as the sandbox answers", "version": "1.0.0"},
        "servers": [{"url": "https://api.periskope.app/v1"}],
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", route.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    for name, schema in route.query.items():
        plain = {word: value for word, value in schema.items() if word != "required"}
        parameters.append({"name": name, "in": "query", "required": bool(schema.get("required")), "schema": plain})
    if route.phone != "unread":
        is_needed = route.phone == "needed"
        parameters.append({"name": "x-phone", "in": "header", "required": is_needed, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "parameters": parameters,
        "responses": {
            str(route.status): _success(route),
            "400": {"description": "The path or the body cannot be read", "content": {"text/html": {}}},
            **{status: _json(text, _ERROR) for status, text in _ERRORS.items()},
            "422": _json("Something in the request is not as it should be", _REFUSAL),
        },
    }
    if route.body is not None:
        needs = bool(route.body.needed or route.body.one_of)
        operation["requestBody"] = {"required": needs, "content": {"application/json": {"schema": route.body.schema}}}
    return operation


_ERRORS = {
    "401": "The key or the phone is not one of the organisation",
    "404": "What the path or the body names is not there",
    "429": "Too many requests",
}


def _success(route: Route) -> dict[str, Any]:
    if route.gives is None:
        return {"description": "Done"}
    if kind := route.gives.get("contentMediaType"):
        return {"description": "Done", "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}
    return _json("Done", route.gives)


def _json(text: str, schema: Schema) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
