"""The tests, as the package. Slow machines are no failures: generated examples have no deadline."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
