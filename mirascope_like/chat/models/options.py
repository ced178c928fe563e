"""The base of a model's options: a Pydantic class, which is why this module is imported only when options are made."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Settings of a model. Subclass it inside a model class, with a field for each; unknown names are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
