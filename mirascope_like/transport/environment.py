"""Read proxies and trusted certificates from the environment.

Imported when the first connection is made. The environment is read once for each event loop or process and each URL,
not for each request.
"""

from __future__ import annotations

import functools
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass


def environment_proxies() -> Mapping[str, str]:
    """Return proxy URLs by the scheme that they serve, or "all": from `HTTPS_PROXY` etc. and the system's settings."""
    found = {scheme: url for scheme, url in getproxies().items() if scheme in ("http", "https", "all") and url}
    return {scheme: url if "://" in url else f"http://{url}" for scheme, url in found.items()}


def environment_proxy(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL, if there is one."""
    return _find_proxy(environment_proxies(), url)


def make_proxy_finder(proxies: Mapping[str, str]) -> Callable[[str], str | None]:
    """Return a function that finds the proxy for a URL, if there is one. It honours `NO_PROXY`."""
    return functools.lru_cache(maxsize=256)(functools.partial(_find_proxy, proxies))


def _find_proxy(proxies: Mapping[str, str], url: str) -> str | None:
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]) or _is_excluded(parts):
        return None
    return proxies.get(parts.scheme, proxies.get("all"))


def _is_excluded(url: SplitResult) -> bool:
    """Return True if `NO_PROXY` names a URL's host in a form that `proxy_bypass` does not know: `http://host`,
    `*.host`, `::1`, `10.0.0.0/8`."""
    entries = (entry.strip().rpartition("://") for entry in getproxies().get("no", "").lower().split(","))
    return any(_matches(name, url) for scheme, _, name in entries if scheme in ("", "all", url.scheme))


def _matches(name: str, url: SplitResult) -> bool:
    host = url.hostname or ""
    if name == "*" or _is_in_network(host, name):
        return True
    domain = name.rstrip("/").removeprefix("*").lstrip(".")
    hosts = host, url.netloc.rpartition("@")[2].lower()  # without and with the port
    return domain != "" and any(each == domain or each.endswith(f".{domain}") for each in hosts)


def _is_in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context that trusts the system's certificates, or `SSL_CERT_FILE` and `SSL_CERT_DIR`. All
    connections share it: reading certificates takes tens of milliseconds."""
    usual = ssl.get_default_verify_paths()
    if sys.platform == "linux" and (usual.cafile or (usual.capath and os.listdir(usual.capath))):
        return ssl.create_default_context()
    import httpx2  # knows the certificate stores of other systems

    return httpx2.create_ssl_context()


@functools.cache
def no_tls_context() -> ssl.SSLContext:
    """Return a cheap TLS context that trusts no certificate, for clients that are only used for http:// URLs."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
