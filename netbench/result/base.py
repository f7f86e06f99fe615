"""What all records share: immutable, strict about unknown keys, absent numbers explained."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """An immutable record. Times and sizes carry their unit in the key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PartialRecord(Record):
    """A record in which a number may be missing: then it is null, and `absent` says why."""

    absent: dict[str, str] = Field(default_factory=dict, description="key of a null field -> the reason, a sentence")
