"""The base of a model's options: a Pydantic class, which is why this module is imported only when options are made."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

__all__ = ["Options"]


class Options(BaseModel):
    """Settings of a model. Subclass it inside a model class, with a field for each; unknown names are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @classmethod
    def takes(cls, name: str) -> bool:
        """Whether there is an option of this name, an alias of one, or anything else that it would be taken for."""
        fields = cls.model_fields
        aliases = [alias for field in fields.values() for alias in (field.alias, field.validation_alias)]
        return name in fields or name in aliases or hasattr(cls, name) or cls.model_config.get("extra") != "forbid"
