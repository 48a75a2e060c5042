"""Lists the files, folders, modules and make targets of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from tests.support.server import ROOT


@cache
def files_and_folders() -> frozenset[str]:
    """Every path from the root, `service/settings.py` and `service`. What .gitignore lists is left out."""
    listed = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    ignored = [".git", *(pattern.strip("/") for pattern in listed)]
    found: set[str] = set()
    waiting = [ROOT]
    while waiting:
        for path in waiting.pop().iterdir():
            if not any(fnmatch(path.name, pattern) for pattern in ignored):
                found.add(path.relative_to(ROOT).as_posix())
                if path.is_dir():
                    waiting.append(path)
    return frozenset(found)


def top_folders() -> frozenset[str]:
    """The folders of the root."""
    return frozenset(path.partition("/")[0] for path in files_and_folders() if "/" in path)


def has_path(path: str) -> bool:
    """Whether the path, from the root, is there; a module may be named without its .py."""
    return bool({path, f"{path}.py"} & files_and_folders())


def has_anywhere(path: str) -> bool:
    """Whether the path is there, from the root or from any folder. Tests are left out: they repeat many names."""
    return has_path(path) or any(each.endswith(f"/{path}") for each in _outside_of_tests())


def packages() -> frozenset[str]:
    """What the repository's modules are imported from."""
    homes = (path.split("/") for path in files_and_folders() if path.endswith("/__init__.py"))
    return frozenset(home[-2] for home in homes if len(home) == 2 or (home[0] == "client" and len(home) == 3))


def has_name(dotted: str) -> bool:
    """Whether `service.settings.Settings` is a module, or a module and a name that stands in it."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        tail = "/".join(parts[:end])
        for home in (tail, f"client/{tail}"):
            for module in (f"{home}.py", f"{home}/__init__.py"):
                if module in files_and_folders():
                    return end == len(parts) or _stands_in(ROOT / module, parts[end])
    return False


def has_name_anywhere(dotted: str) -> bool:
    """The same for `loaded_version.load_version`: a module of any folder, and a name that stands in it."""
    module, name = dotted.split(".")[:2]
    paths = (path for path in _outside_of_tests() if Path(path).name == f"{module}.py")
    return any(_stands_in(ROOT / path, name) for path in paths)


def make_targets() -> set[str]:
    """What `make` can be told to do."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _outside_of_tests() -> Iterator[str]:
    return (path for path in files_and_folders() if not path.startswith("tests/"))


def _stands_in(module: Path, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", module.read_text(encoding="utf-8")) is not None
