"""Private names of other packages: all exist, and a missing one gives a clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import unstable_names
from service.unstable_names import NAMES, IncompatiblePackage, Needed, require
from tests.support.server import ROOT


@pytest.mark.parametrize("package", NAMES)
def test_every_name_is_there(package: str) -> None:
    require(package)


@pytest.mark.parametrize(
    ("needed", "missing"),
    [
        (Needed("uvicorn.server", "Server", "on_tick on_nothing"), "Server.on_nothing"),
        (Needed("uvicorn.server", "ServerState", "", "tasks nothing"), "ServerState.nothing"),
        (Needed("uvicorn.server", "Nothing", ""), "Nothing"),
        (Needed("uvicorn.nothing", "", "x"), "uvicorn.nothing"),
        (Needed("uvicorn", "", "nothing"), "nothing"),
    ],
)
def test_a_name_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, needed: Needed, missing: str) -> None:
    monkeypatch.setitem(unstable_names.NAMES, "uvicorn", (needed,))
    with pytest.raises(IncompatiblePackage, match=rf"^uvicorn [\d.]+ has no {missing}, .*: install uvicorn[<>=]"):
        require("uvicorn")


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    """As if another uvicorn were installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol\ndel HttpToolsProtocol._start_asgi_task\n",
        encoding="utf-8",
    )
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "client")))
    served = subprocess.run(
        [sys.executable, "-m", "latent.cli", "serve", "--store", str(tmp_path), "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert served.returncode == 2
    assert len(served.stderr.splitlines()) == 1
    assert "has no HttpToolsProtocol._start_asgi_task" in served.stderr
