"""Shows the texts that digests stand for: `python -m tests.guards.show traffic 7c6e1b9ebc6c`, `… requests prefill`.

All results whose name contains the second word are shown. Run it before and after a change, and compare.
"""

from __future__ import annotations

import sys

from . import requests, test_traffic, traffic


def main(kind: str, part: str) -> None:
    """Print the facets of each result."""
    if kind == "requests":
        found = [requests.play(protocol) for protocol in requests.PROTOCOLS]
    else:
        found = [traffic.play(protocol) for protocol in test_traffic.PROTOCOLS]
    for results in found:
        for name, facets in results.items():
            if part in name:
                for facet, text in facets.items():
                    print(f"== {name} · {facet}", text, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
