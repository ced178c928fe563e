"""The records of the recorded traffic that do not decode to what they say is expected: id → why that is right."""

from __future__ import annotations

DIFFERENT = {
    "7c6e1b9ebc6c": "the call has no arguments at all: they are '{}', as when they are an empty text",
    "5ba910d3c683": "the shell call is not for the caller: the answer has its output, so the provider ran it",
    "83b7242c0329": "as 5ba910d3c683; and its deltas were shortened by hand: they are not the text of its last event",
    "08d29d57168f": "an endpoint made to be wrong: its answer has no choices, which is an error",
}
