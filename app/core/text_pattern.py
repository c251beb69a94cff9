"""Patterns of text fields, with an error message for people."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class TextPattern:
    """Metadata of a `str` field: a pattern that its whole text must match.

    regex: the regular expression, which the OpenAPI document shows.
    problem: the error message for other text, such as `must be 64 hexadecimal digits`.
    """

    regex: str
    problem: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # A field may show a narrower pattern, which is checked later.
        return {"pattern": self.regex, **handler(schema)}

    def _checked(self, text: str) -> str:
        if re.fullmatch(self.regex, text) is None:
            raise ValueError(self.problem)
        return text
