"""The only module that uses undocumented parts of the `openai` and `anthropic` packages.

`tests/transport/test_internals.py` fails if the packages change them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

# Names of the classes that all sync and all async clients of both packages inherit from.
SYNC_BASE, ASYNC_BASE = "SyncAPIClient", "AsyncAPIClient"


def find_httpx(sdk: Any) -> ModuleType:
    """Return the module whose clients the SDK uses: `httpx2`, or `httpx` in older versions."""
    bases = sdk.DefaultHttpxClient.__mro__
    return sys.modules[next(base.__module__ for base in bases if base.__module__ in ("httpx2", "httpx"))]


def omit_own_headers(client: Any, sdk: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return headers that make the client leave out its own headers of these names, in any case: some versions of the
    SDKs send both the client's and the request's header if their spelling differs."""
    own = {**client.auth_headers, **client.default_headers}
    replaced = {name.lower() for name in names}
    return {name: sdk.Omit() for name in own if name.lower() in replaced}
