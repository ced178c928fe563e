"""Guards: stored results that a change of the package's inside must reproduce.

They use public names only. `python -m tests.guards.write` stores the results anew; see docs/architecture.md.
"""
