"""The records of the recorded traffic that do not decode to what they say is expected: id → why that is right."""

from __future__ import annotations

DIFFERENT = {
    "7c6e1b9ebc6c": "the call has no arguments at all: they are '{}', as when they are an empty text",
    "08d29d57168f": "an endpoint made to be wrong: its answer has no choices, which is an error",
}
