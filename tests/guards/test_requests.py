"""Guards the requests that are sent: see `requests.py` for those made here, `traffic.py` for recorded conversations."""

from __future__ import annotations

import pytest

from . import requests
from .goldens import check, digests


@pytest.mark.parametrize("protocol", requests.PROTOCOLS)
def test_requests_are_sent_as_before(protocol: str) -> None:
    check(f"requests-{protocol}.txt", digests(requests.play(protocol)), "requests")
