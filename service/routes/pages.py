"""Pages for people: the start page, and one for each kind of problem."""

from __future__ import annotations

import inspect
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from service.dependencies import RegistryDep
from service.errors import NotFound, every_problem

router = APIRouter(include_in_schema=False)

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "pages"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/")
async def get_start(request: Request, registry: RegistryDep) -> Response:
    """A picture of the default model, what there is, and a line to try."""
    base = str(request.base_url).rstrip("/")
    return _page(
        "start.html", base=base, models=registry.models(), default=registry.default_name, unready=registry.unready()
    )


@router.get("/problems")
async def get_problems() -> Response:
    """Every kind of problem."""
    return _page("problems.html", problems=[_described(kind) for kind in every_problem()])


@router.get("/problems/{slug}")
async def get_problem(slug: str) -> Response:
    """What a kind of problem means."""
    for kind in every_problem():
        if kind.slug == slug:
            return _page("problem.html", problem=_described(kind))
    raise NotFound(f"there is no problem {slug[:60]!r}")


def _described(kind: type) -> dict[str, object]:
    return {
        "slug": getattr(kind, "slug", ""),
        "status": getattr(kind, "status", 500),
        "title": getattr(kind, "title", ""),
        "text": inspect.cleandoc(kind.__doc__ or "").replace("\n", " "),
    }


def _page(name: str, **values: object) -> Response:
    return HTMLResponse(_templates.get_template(name).render(**values))
