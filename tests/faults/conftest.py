"""`protocol`: each wire protocol in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from mirascope_like import llm

from .protocols import PROTOCOLS, Protocol


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return request.param


@pytest.fixture(autouse=True)
def unlimited_retries() -> Iterator[None]:
    """Retries that one test makes are not missing in the next."""
    llm.set_retry_budget(reserve=math.inf)
    yield
    llm.set_retry_budget()
