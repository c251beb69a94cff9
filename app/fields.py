"""Kinds of text that several schemas take."""

from typing import Annotated

from pydantic import Field

# One line of visible text; PostgreSQL keeps no NUL, and logs want no line breaks.
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
