"""What bounds the errors of a request body: few members, counted before they are validated."""

from dataclasses import dataclass
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# The most members of an object that has named members: far more than any has, so that a few wrong
# names are listed one by one.
MAX_MEMBERS = 100


class RequestModel(BaseModel):
    """A JSON object with named members, of which none may be unknown.

    pydantic makes an error of each unknown member, so that many members are refused before that.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_members(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_MEMBERS:
            raise ValueError(f"must have at most {MAX_MEMBERS} members, and has {len(value):,}")
        return value


@dataclass(frozen=True)
class AtMost:
    """Metadata of a `dict` field: how many entries it may have.

    pydantic's own `max_length` would validate all of them first.
    """

    entries: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._counted, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "maxProperties": self.entries}

    def _counted(self, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > self.entries:
            raise PydanticCustomError("too_long", "too many entries")
        return value
