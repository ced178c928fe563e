"""`protocol`: each wire protocol in turn."""

from __future__ import annotations

import pytest

from .protocols import PROTOCOLS, Protocol


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return request.param
