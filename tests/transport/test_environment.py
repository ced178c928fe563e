"""Proxies from the environment, and the hosts in `NO_PROXY`, which are reached without them."""

from __future__ import annotations

import pytest

from mirascope_like.transport.base import HttpRequest
from mirascope_like.transport.environment import environment_proxy
from mirascope_like.transport.http import HttpTransport

from .conftest import drive
from .server import PATIENT, Server

PROXY = "http://proxy:1"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("excluded", "url"),
    [
        ("::1", "http://[::1]:8000/v1"),
        ("[::1]", "http://[::1]:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
        ("0:0:0:0:0:0:0:1", "http://[::1]/v1"),
        ("fd00::/8", "https://[fd12::3]/v1"),
        ("10.0.0.0/8", "http://user:pw@10.1.2.3:80/v1"),
        ("other, 127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("http://host", "http://host/v1"),
        ("http://host/", "http://HOST:8000/v1"),
        ("HTTPS://Host:8000", "https://host:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("all://host", "https://host/v1"),
        ("host", "http://sub.host/v1"),
        (".host", "http://sub.host/v1"),
        ("*.host", "http://sub.host:8000/v1"),
        ("other,*", "http://host/v1"),
    ],
)
def test_excluded_hosts_have_no_proxy(excluded: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert environment_proxy(url) == PROXY
    monkeypatch.setenv("NO_PROXY", excluded)
    assert environment_proxy(url) is None


@pytest.mark.parametrize(
    ("excluded", "url"),
    [
        ("", "http://host./v1"),
        (" , ", "http://host/v1"),
        ("http://host", "https://host/v1"),
        ("http://host:8000", "http://host:8001/v1"),
        ("host", "http://otherhost/v1"),
        ("*.host", "http://otherhost/v1"),
        ("::1", "http://[::2]:1/v1"),
        ("10.0.0.0/8", "http://11.0.0.1/v1"),
        ("0.0.0.1", "http://[::1]/v1"),
    ],
)
def test_other_hosts_have_the_proxy(excluded: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", excluded)
    assert environment_proxy(url) == PROXY


def test_a_request_to_an_excluded_host_is_sent_directly(
    colour: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", server.url)
        transport = HttpTransport()

        async def main() -> None:
            channel = transport.blocking() if colour == "blocking" else transport.native()
            await channel.post(HttpRequest(f"{server.url}/post", {"authorization": "Bearer key"}, b"{}", PATIENT))

        drive(colour, main)
        assert (len(server.received), len(proxy.received)) == (1, 0)
