"""Pages for people, and their files: the explorer, the page to try the API, and one for each kind of problem."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from service.errors import NotFound, every_problem
from service.wire.caching import cacheable_response, tag

if TYPE_CHECKING:
    import jinja2

router = APIRouter(include_in_schema=False)

_SERVICE = Path(__file__).parent.parent
_EXPLORER, _PAGES = _SERVICE / "explorer", _SERVICE / "pages"

_HTML = "text/html; charset=utf-8"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served of a folder, and as what: the machine's own table may say otherwise."""

_FILE_HEADERS = {"X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    **_FILE_HEADERS,
}
_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


@functools.cache
def _templates() -> jinja2.Environment:
    """Made at the first page: few processes ever show one, and Jinja is 2 MB and 15 ms of a start."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    return Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True)
class _File:
    """A file of the package, in memory: nothing that a URL says is looked up on the disk."""

    content: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path, media_type: str) -> _File:
        content = path.read_bytes()
        return cls(content, media_type, tag(content))


def _files_in(folder: Path) -> Mapping[str, _File]:
    return {
        path.relative_to(folder).as_posix(): _File.read(path, _MEDIA_TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _MEDIA_TYPES and path.is_file()
    }


@functools.cache
def _swagger_file(name: str) -> _File:
    """A file of the package that brings Swagger UI along. Read when it is asked for: it has 1.7 MB."""
    content = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
    return _File(content, _MEDIA_TYPES[Path(name).suffix], tag(content))


_start = _File.read(_EXPLORER / "index.html", _HTML)
_files = {**_files_in(_EXPLORER), **_files_in(_PAGES)}


@router.get("/")
async def get_start(request: Request) -> Response:
    """The explorer."""
    return cacheable_response(request, _start.content, _start.media_type, _PAGE_HEADERS, _start.etag)


@router.get("/explorer/{path:path}")
async def get_file(path: str, request: Request) -> Response:
    """A script, a style sheet or a drawing of the pages."""
    file = _files.get(path)
    if file is None:
        raise NotFound(f"the pages have no file {path[:100]!r}")
    return cacheable_response(request, file.content, file.media_type, _FILE_HEADERS, file.etag)


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """The OpenAPI document as a page to try it: Swagger UI."""
    return _page(request, "docs.html")


@router.get("/swagger/{name}")
async def get_swagger(name: str, request: Request) -> Response:
    """A file of Swagger UI."""
    if name not in _SWAGGER_FILES:
        raise NotFound(f"Swagger UI has no file {name[:100]!r}")
    file = _swagger_file(name)
    return cacheable_response(request, file.content, file.media_type, _FILE_HEADERS, file.etag)


@router.get("/problems")
async def get_problems(request: Request) -> Response:
    """Every kind of problem."""
    return _page(request, "problems.html", above="", problems=[_described(kind) for kind in every_problem()])


@router.get("/problems/{slug}")
async def get_problem(slug: str, request: Request) -> Response:
    """What a kind of problem means."""
    for kind in every_problem():
        if kind.slug == slug:
            return _page(request, "problem.html", above="../", problem=_described(kind))
    raise NotFound(f"there is no problem {slug[:60]!r}")


def _described(kind: type) -> dict[str, object]:
    return {
        "slug": getattr(kind, "slug", ""),
        "status": getattr(kind, "status", 500),
        "title": getattr(kind, "title", ""),
        "text": inspect.cleandoc(kind.__doc__ or "").replace("\n", " "),
    }


def _page(request: Request, name: str, **values: object) -> Response:
    """A page of a template; `above` leads from its URL to that of the service, whatever prefix that has."""
    content = _templates().get_template(name).render(**values).encode()
    return cacheable_response(request, content, _HTML, _PAGE_HEADERS)
