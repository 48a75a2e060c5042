"""Builds the OpenAPI document of routes that read their own bodies, from the types of options and replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import every_problem
from service.verbs.options import Options
from service.verbs.verb import Verb
from service.wire.negotiation import ARRAYS, JSON, MULTIPART, PROBLEM

BINARY = {"type": "string", "format": "binary"}
_FILES = {"type": "object", "additionalProperties": {"type": "array", "items": BINARY}}
_MODEL = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "`NAME`, `NAME@3` or `NAME@production`; may be left out where the store has one model.",
    "schema": {"type": "string"},
}
_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "required": False,
    "description": "Deadline in seconds.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}


class Described:
    """Describes verb operations, and collects the schemas that they refer to, so that the document has each once."""

    def __init__(self) -> None:
        self._models: dict[str, type[BaseModel]] = {}

    def ref(self, model: type[BaseModel]) -> dict[str, str]:
        """Make a reference to a pydantic model's schema, and collect the model."""
        self._models[model.__name__] = model
        return {"$ref": f"#/components/schemas/{model.__name__}"}

    def verb(
        self, verb: Verb[Any], reply: type[BaseModel], body: type[BaseModel] | None, example: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Make the `openapi_extra` of a verb's route."""
        kept = verb.repeats is not None
        operation: dict[str, Any] = {
            "parameters": [
                _MODEL,
                *query_parameters(verb.options),
                _TIMEOUT,
                *([IF_NONE_MATCH] if kept else []),
            ],
            "responses": {
                "200": {
                    "description": "The answer, by Accept.",
                    "headers": MODEL_HEADERS
                    | _TIMING
                    | (_SEED if "seed" in reply.model_fields else {})
                    | (KEPT_HEADERS if kept else {}),
                    "content": {
                        offer: {"schema": self.ref(reply) if offer == JSON else BINARY}
                        for offer in (*ARRAYS, *verb.pictures)
                    },
                },
                **(NOT_MODIFIED if kept else {}),
                **problems(400, 404, 406, *((408, 413, 415) if body is not None else ()), 422, 500, 503, 504),
            },
        }
        if body is not None:
            content: dict[str, Any] = {
                kind: {"schema": _FILES if kind == MULTIPART else BINARY} for kind in verb.bodies if kind != JSON
            }
            content[JSON] = {"schema": self.ref(body)} | ({"example": example} if example else {})
            operation["requestBody"] = {"required": bool(verb.fields), "content": content}
        return operation

    def document(self, app: FastAPI) -> dict[str, Any]:
        """Make the whole OpenAPI document, with every schema that is referred to."""
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        models = [(model, "serialization") for model in self._models.values()]
        _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
        components = document.setdefault("components", {}).setdefault("schemas", {})
        components.update(schemas["$defs"])
        _drop_framework_errors(document)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].update(problems(*_BEFORE_ROUTING))
        return document


_BEFORE_ROUTING = (400, 408, 417, 431, 501, 505)
"""Statuses that any request may get from its connection, before it is routed."""


def _drop_framework_errors(document: dict[str, Any]) -> None:
    """Remove the framework's own 422 response, which no route of the service sends."""
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if content.get(JSON, {}).get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


MODEL_HEADERS = {
    "X-Latent-Model": {"description": "NAME@VERSION that answered.", "schema": {"type": "string"}},
    "X-Request-ID": {"description": "Echoed, or made.", "schema": {"type": "string"}},
}
"""Headers of every answer about a model."""
_TIMING = {
    "Server-Timing": {"description": "parse, queue, infer, render in milliseconds.", "schema": {"type": "string"}},
}
_SEED = {"X-Latent-Seed": {"description": "The seed, where something was drawn.", "schema": {"type": "integer"}}}

KEPT_HEADERS = {
    "ETag": {"description": "Another answer has another one.", "schema": {"type": "string"}},
    "Cache-Control": {
        "description": "`immutable` under a version's number, `no-cache` under a name, `no-store` where it was drawn"
        " without a seed.",
        "schema": {"type": "string"},
    },
}
"""Headers of an answer that clients may keep."""
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    "304": {"description": "If-None-Match names the answer: it has not changed.", "headers": KEPT_HEADERS}
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of answers that were kept, or `*`.",
    "schema": {"type": "string"},
}


def query_parameters(options: type[Options]) -> list[dict[str, Any]]:
    """Describe every option as a query parameter; lists are separated by commas."""
    schema = options.model_json_schema(by_alias=True)
    parameters = []
    for name, described in schema["properties"].items():
        rest = {key: value for key, value in described.items() if key not in ("description", "title")}
        parameter = {
            "name": name,
            "in": "query",
            "required": False,
            "description": described.get("description", ""),
            "schema": rest,
        }
        if _is_list(rest):
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error responses with these statuses, each with the titles of its problems."""
    titles: dict[int, list[str]] = {}
    for kind in every_problem():
        titles.setdefault(kind.status, []).append(kind.title)
    return {
        str(status): {
            "description": "; ".join(titles[status]) + ".",
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def _is_list(schema: Mapping[str, Any]) -> bool:
    options: Sequence[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return any(option.get("type") == "array" for option in options)
