"""What the environment says about reaching servers: proxies, and whose certificates to trust.

Imported when the first connection is made. The environment is asked once for each event loop or process and each URL,
not for each request.
"""

from __future__ import annotations

import functools
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["environment_proxies", "environment_proxy", "make_proxy_finder", "no_tls_context", "tls_context"]


def environment_proxies() -> Mapping[str, str]:
    """URLs of proxies by the scheme that they serve, or "all": `HTTPS_PROXY` and so on, and the system's settings."""
    found = {scheme: url for scheme, url in getproxies().items() if scheme in ("http", "https", "all") and url}
    return {scheme: url if "://" in url else f"http://{url}" for scheme, url in found.items()}


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL, if there is one."""
    return _find_proxy(environment_proxies(), url)


def make_proxy_finder(proxies: Mapping[str, str]) -> Callable[[str], str | None]:
    """What tells which of the proxies a URL is reached by, if by any. `NO_PROXY` is heeded."""
    return functools.lru_cache(maxsize=256)(functools.partial(_find_proxy, proxies))


def _find_proxy(proxies: Mapping[str, str], url: str) -> str | None:
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxies.get(parts.scheme, proxies.get("all"))


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Trusts whom the system trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR`. All connections share it: reading
    certificates costs tens of milliseconds."""
    usual = ssl.get_default_verify_paths()
    if sys.platform == "linux" and (usual.cafile or (usual.capath and os.listdir(usual.capath))):
        return ssl.create_default_context()
    import httpx2  # knows the certificate stores of other systems

    return httpx2.create_ssl_context()


def no_tls_context() -> ssl.SSLContext:
    """Cheap, and it trusts nobody: for clients that only ever see http:// URLs."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
