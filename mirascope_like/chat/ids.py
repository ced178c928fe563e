"""Names of responses and conversations: ULIDs (github.com/ulid/spec) in lower case.

48 bits of time in milliseconds, then a counter and chance: an id is greater than all that this process made before, and
like none that another process makes.
"""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_count = itertools.count()
_latest = 0


def new_id() -> str:
    """A new id, of 26 characters."""
    global _latest
    number = next(_count)  # atomic, so threads need no lock
    _latest = max(_latest, int(datetime.now(UTC).timestamp() * 1000))  # a clock may be set back
    value = (_latest << 80) | (number % (1 << 40) << 40) | secrets.randbits(40)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -5, -5))
