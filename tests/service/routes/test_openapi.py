"""The OpenAPI document: valid, complete, equal to the committed file, and true of the answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from service.errors import every_problem
from service.openapi import document_text
from service.routes import health, inference, maps, models
from service.routes.maps import MapOptions
from service.verbs.options import (
    DecodeOptions,
    EncodeOptions,
    InterpolateOptions,
    ManifoldOptions,
    Options,
    ReconstructOptions,
    SampleOptions,
)
from tests.service.wire import halves
from tests.support.server import ROOT, environment

DOCUMENT: dict[str, Any] = json.loads(document_text())
INPUTS = {"inputs": [halves(0, 1)]}
VERBS: list[tuple[str, str, type[Options]]] = [
    ("post", "/encode", EncodeOptions),
    ("post", "/decode", DecodeOptions),
    ("post", "/reconstruct", ReconstructOptions),
    ("post", "/interpolate", InterpolateOptions),
    ("post", "/sample", SampleOptions),
    ("get", "/sample", SampleOptions),
    ("get", "/manifold", ManifoldOptions),
]


def test_the_committed_file_is_the_document() -> None:
    """Where it is not: `python -m service.openapi > docs/openapi.json`."""
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == document_text()


def test_the_command_that_writes_it(tmp_path: Path) -> None:
    written = subprocess.run(
        [sys.executable, "-m", "service.openapi"],
        cwd=ROOT,
        env=environment({"root_path": "/elsewhere", "store": tmp_path}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert written.stdout == document_text()
    assert written.stderr == ""


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_a_running_service_publishes_the_same(one: httpx.Client) -> None:
    assert one.get("/openapi.json").json() == DOCUMENT


def test_every_route_is_in_it() -> None:
    routes = {
        (method.lower(), route.path.replace(":path", ""))
        for module in (inference, models, maps, health)
        for route in module.router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    described = {(method, path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == routes
    assert len(described) == 17


def test_every_operation_says_what_it_is_for() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert operation["tags"], (method, path)
            assert "200" in operation["responses"]


def test_every_problem_is_in_it() -> None:
    types = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert types == [f"/problems/{kind.slug}" for kind in every_problem()]
    answered = {
        int(status)
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }
    assert answered | {405} == {200, 206, 304} | {kind.status for kind in every_problem()}


def test_every_problem_has_its_page(one: httpx.Client) -> None:
    for kind in every_problem():
        page = one.get(f"/problems/{kind.slug}")
        assert page.status_code == 200
        assert str(kind.status) in page.text
        assert kind.slug in one.get("/problems").text


@pytest.mark.parametrize(("method", "path", "options"), VERBS)
def test_every_option_is_a_parameter_with_type_default_and_meaning(
    method: str, path: str, options: type[Options]
) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in DOCUMENT["paths"][path][method]["parameters"]
        if parameter["in"] == "query"
    }
    fields = {field.alias or name: field for name, field in options.model_fields.items()}
    assert set(parameters) == {"model", *fields}
    for name, field in fields.items():
        assert parameters[name]["description"] == field.description
        assert parameters[name]["schema"].get("default") == field.default
        assert parameters[name]["required"] is False


@pytest.mark.parametrize("path", ["/models/{name}/map", "/models/{name}/versions/{version}/map"])
def test_the_map_has_its_options_types_and_problems(path: str) -> None:
    operation = DOCUMENT["paths"][path]["get"]
    query = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    assert query == set(MapOptions.model_fields)
    types = operation["responses"]["200"]["content"]
    assert set(types) == {"application/json", "application/x-npy", "application/x-npz", "image/png"}
    assert types["application/json"]["schema"] == {"$ref": "#/components/schemas/MapReply"}
    before_routing = {"400", "408", "417", "431", "501", "505"}
    assert set(operation["responses"]) == {"200", "304", "404", "406", "422", "500", "503", *before_routing}


def test_what_may_be_kept_says_so() -> None:
    kept = {
        (method, path)
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if "304" in operation["responses"]
    }
    paths = ["/sample", "/manifold", "/models", "/models/{name}", "/models/{name}/versions/{version}"]
    paths += ["/models/{name}/map", "/models/{name}/versions/{version}/map"]
    assert kept == {("get", path) for path in [*paths, "/models/{name}/versions/{version}/report/{path}"]}
    for method, path in kept:
        operation = DOCUMENT["paths"][path][method]
        assert {"ETag", "Cache-Control"} <= set(operation["responses"]["200"]["headers"])
        assert "If-None-Match" in {parameter["name"] for parameter in operation["parameters"]}


@pytest.mark.parametrize(("method", "path", "options"), VERBS)
def test_every_type_in_and_out_is_named(method: str, path: str, options: type[Options]) -> None:
    operation = DOCUMENT["paths"][path][method]
    answers = set(operation["responses"]["200"]["content"])
    assert answers >= {"application/json", "application/x-npy", "application/x-npz"}
    assert ("image/png" in answers) == (path != "/encode")
    assert ("image/gif" in answers) == (options is InterpolateOptions)
    bodies = set(operation.get("requestBody", {}).get("content", {}))
    takes_items = path in ("/encode", "/reconstruct", "/interpolate")
    assert ("multipart/form-data" in bodies) == takes_items
    assert ("image/jpeg" in bodies) == takes_items
    assert ("application/x-npy" in bodies) == (takes_items or path == "/decode")
    assert bool(bodies) == (method == "post")


def holds(name: str, instance: object) -> None:
    """Hold a body to a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    errors = [error.message for error in OAS31Validator(schema).iter_errors(instance)]
    assert errors == []


@pytest.mark.parametrize("model", ["image", "vector"])
@pytest.mark.parametrize(
    ("method", "path", "body", "reply"),
    [
        ("POST", "/encode", INPUTS, "EncodeReply"),
        ("POST", "/decode", {"z": [[0, 0]]}, "DecodeReply"),
        ("POST", "/reconstruct", {**INPUTS, "error_map": True}, "ReconstructReply"),
        ("POST", "/interpolate", {"z": [[0, 0], [1, 1]]}, "InterpolateReply"),
        ("POST", "/sample", {}, "SampleReply"),
        ("GET", "/sample", None, "SampleReply"),
        ("GET", "/manifold", None, "ManifoldReply"),
        ("GET", "/models", None, "ModelsReply"),
        ("GET", "/models/{model}", None, "VersionReply"),
        ("GET", "/models/{model}/map", None, "MapReply"),
        ("GET", "/readyz", None, "ReadyReply"),
        ("GET", "/livez", None, "LiveReply"),
    ],
)
def test_what_is_answered_is_what_is_published(
    one: httpx.Client, model: str, method: str, path: str, body: dict[str, Any] | None, reply: str
) -> None:
    if model == "vector" and body and "inputs" in body:
        body = {**body, "inputs": [[10, 20, 30]]}
    params = {"model": model} if not path.startswith(("/models", "/readyz", "/livez")) else {}
    response = one.request(
        method, path.format(model=model), params=params, json=body, headers={"Accept": "application/json"}
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    holds(reply, answer)
    assert set(answer) <= set(DOCUMENT["components"]["schemas"][reply]["properties"])
    if body is not None:
        holds(reply.replace("Reply", "Body"), body)


@pytest.mark.parametrize(
    ("method", "path", "body", "reply"),
    [
        ("POST", "/decode", {"z": [[0, 0]]}, "DecodeReply"),
        ("POST", "/reconstruct", INPUTS, "ReconstructReply"),
        ("POST", "/interpolate", {"z": [[0, 0], [1, 1]]}, "InterpolateReply"),
        ("POST", "/sample", {}, "SampleReply"),
        ("GET", "/sample", None, "SampleReply"),
        ("GET", "/manifold", None, "ManifoldReply"),
    ],
)
def test_what_is_answered_with_pictures_is_what_is_published(
    one: httpx.Client, method: str, path: str, body: dict[str, Any] | None, reply: str
) -> None:
    params = {"model": "image", "as": "png"}
    answer = one.request(method, path, params=params, json=body, headers={"Accept": "application/json"}).json()
    assert set(answer) & {"outputs", "images"} == {"images"}
    holds(reply, answer)
    for wrong in ({**answer, "outputs": []}, {name: answer[name] for name in answer if name != "images"}):
        with pytest.raises(AssertionError):
            holds(reply, wrong)


def test_a_problem_is_what_is_published(one: httpx.Client) -> None:
    holds("Problem", one.post("/decode?model=image", json={"z": [[0], [0]]}).json())
    holds("Problem", one.get("/nothing").json())


def test_the_examples_are_good_requests(one: httpx.Client) -> None:
    """The code has the default model's length, which is the only thing wrong with it here."""
    examples = {
        path: DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        for path in ("/encode", "/reconstruct", "/interpolate", "/sample", "/decode")
    }
    code = examples.pop("/decode")
    for path, example in examples.items():
        assert one.post(path, params={"model": "image"}, json=example).status_code == 200
    assert (len(code["z"]), len(code["z"][0])) == (1, 16)
    refused = one.post("/decode", params={"model": "image"}, json=code)
    assert refused.json()["type"] == "/problems/latent-size-mismatch"
