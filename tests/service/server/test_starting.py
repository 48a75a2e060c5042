"""What the service says and refuses before it loads anything."""

from __future__ import annotations

import socket
import warnings
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.app import create_app
from service.server.binding import CannotStart, PortUnavailable, address_of, bind, check_store
from service.server.process import _warn_of_variables
from service.settings import Settings


def test_a_service_link_in_place_of_the_port_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_PORT", "tcp://10.96.0.12:8000")
    monkeypatch.setenv("LATENT_SERVICE_HOST", "10.96.0.12")
    monkeypatch.setenv("LATENT_PORT_8000_TCP_ADDR", "10.96.0.12")
    with capture_logs() as lines:
        _warn_of_variables(Settings())
    assert [(line["value"], line["port"]) for line in lines] == [("tcp://10.96.0.12:8000", 8000)]
    assert "enableServiceLinks: false" in lines[0]["remedy"]
    with capture_logs() as lines:
        _warn_of_variables(Settings(port=9000))
    assert lines == []


def test_a_store_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="is no directory"):
        check_store(tmp_path / "file")
    check_store(tmp_path)
    check_store(tmp_path / "not mounted yet")


@pytest.mark.parametrize("host", ["x" * 64, "a..b", ".", "http://localhost", "local host", "::1::", "1.2.3.4.5"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(PortUnavailable) as refused:
        bind(host, 0)
    assert str(refused.value).startswith("cannot listen on ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("host", "family"), [("localhost", socket.AF_INET), ("127.0.0.1", socket.AF_INET)])
def test_a_name_is_its_ipv4_address_where_it_has_one(host: str, family: socket.AddressFamily) -> None:
    with bind(host, 0) as listener:
        assert listener.family == family
        assert address_of(listener) == f"http://localhost:{listener.getsockname()[1]}"


def test_a_name_that_has_an_ipv6_address_alone() -> None:
    """Debian's /etc/hosts calls ::1 ip6-localhost."""
    try:
        found = socket.getaddrinfo("ip6-localhost", 0, type=socket.SOCK_STREAM)
    except OSError:
        pytest.skip("no such name here")
    try:
        listener = bind("ip6-localhost", 0)
    except PortUnavailable:
        pytest.skip("no IPv6 here")
    with listener:
        assert listener.family == min(entry[0] for entry in found)
        assert address_of(listener).startswith("http://localhost:")


def test_a_prefix_is_no_matter_of_warnings(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        app = create_app(Settings(store=tmp_path, root_path="/latent"))
    assert app.root_path == "/latent"
    assert [str(warning.message) for warning in warned if "root_path" in str(warning.message)] == []
