"""Lists the private names of other packages that the service uses, and checks that they exist.

The service uses internals of uvicorn, httptools and openvino in a few places. An override of a method that a
new release has removed would silently never run. So every such name is listed here. A module that uses some of them
calls `require` when it is imported: an incompatible release of a package is one clear error at start.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from typing import Any, NamedTuple


class IncompatiblePackage(Exception):
    """A package lacks a name that the service needs. `str(error)` is one sentence for a person."""


class Needed(NamedTuple):
    """Names that a class or module of another package must have."""

    module: str
    owner: str
    """A class of the module; empty for the module itself."""
    names: str
    """Attributes of the owner, with blanks between them."""
    assigned: str = ""
    """Attributes that the class's `__init__` sets on every instance, with blanks between them."""


_HTTPTOOLS_IMPL = "uvicorn.protocols.http.httptools_impl"

NAMES: dict[str, tuple[Needed, ...]] = {
    "uvicorn": (
        # connections/guarded_protocol.py and fast_path/uvicorn_protocol.py
        Needed(_HTTPTOOLS_IMPL, "", "STATUS_LINE"),
        Needed(
            _HTTPTOOLS_IMPL,
            "HttpToolsProtocol",
            "_start_asgi_task connection_lost connection_made data_received on_body on_headers_complete"
            " on_header on_message_begin on_message_complete on_response_complete resume_writing shutdown",
            "connections cycle expect_100_continue flow headers logger loop parser pipeline server_state tasks"
            " timeout_keep_alive transport",
        ),
        Needed(
            _HTTPTOOLS_IMPL,
            "RequestResponseCycle",
            "receive",
            "body disconnected keep_alive message_event more_body response_complete response_started"
            " waiting_for_100_continue",
        ),
        Needed("uvicorn.protocols.http.flow_control", "FlowControl", "resume_reading", "write_paused"),
        Needed("uvicorn.server", "ServerState", "", "connections default_headers tasks total_requests"),
        # server/process.py
        Needed(
            "uvicorn.server",
            "Server",
            "handle_exit on_tick shutdown startup",
            "config force_exit server_state should_exit",
        ),
    ),
    "httptools": (
        # connections/guarded_protocol.py; the offset is the first argument of HttpParserUpgrade
        Needed("httptools", "", "HttpParserCallbackError HttpParserError HttpParserUpgrade"),
        Needed(
            "httptools",
            "HttpRequestParser",
            "feed_data get_http_version get_method set_dangerous_leniencies should_keep_alive should_upgrade",
        ),
    ),
    "openvino": (
        # engines/openvino_engine.py: the native request's own `infer`, below the package's
        Needed("openvino._pyopenvino", "InferRequest", "infer"),
        Needed("openvino", "InferRequest", "infer get_tensor"),
    ),
}


def require(package: str) -> None:
    """Raise IncompatiblePackage where a package lacks one of the names that are listed for it."""
    for needed in NAMES[package]:
        missing = _missing(needed)
        if missing:
            raise IncompatiblePackage(
                f"{package} {importlib.metadata.version(package)} has no {missing}, which this service builds on:"
                f" install {_wanted(package)}"
            )


def _missing(needed: Needed) -> str | None:
    """The first name that is missing, or None."""
    try:
        owner: Any = importlib.import_module(needed.module)
        owner = getattr(owner, needed.owner) if needed.owner else owner
    except (ImportError, AttributeError):
        return needed.owner or needed.module
    prefix = f"{needed.owner}." if needed.owner else ""
    for name in needed.names.split():
        if not hasattr(owner, name):
            return prefix + name
    given = set(owner.__init__.__code__.co_names) if needed.assigned else set()
    return next((prefix + name for name in needed.assigned.split() if name not in given), None)


def _wanted(package: str) -> str:
    """The versions of a package that the project's own metadata asks for."""
    for requirement in importlib.metadata.requires("latent") or ():
        if re.match(rf"{package}\b", requirement):
            return requirement.partition(";")[0].strip()
    return package
