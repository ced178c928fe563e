"""The former name of `unsupported_params`, for the annotations of `engine.calls` and `engine.streams`."""

from .unsupported_params import Adjustment

__all__ = ["Adjustment"]
