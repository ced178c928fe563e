"""The former name of `unsupported_params`, until the annotations of `engine.calls` and `engine.streams` use the new one."""

from .unsupported_params import Adjustment

__all__ = ["Adjustment"]
