"""Kinds of values in registration requests: metrics, their directions, model names, tags."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from app.control_plane.registry.metric_names import MAX_METRICS, with_distinct_names
from app.control_plane.registry.model_uri import check_name
from app.core.errors import UnprocessableError
from app.core.text_pattern import TextPattern
from app.rest.fields import ByLabel, Label
from app.rest.request_model import AtMost

# Differences and sums of numbers up to this are finite as well.
LARGEST_METRIC = 1e300


def _bounded(number: float) -> float:
    if abs(number) > LARGEST_METRIC:
        raise ValueError(f"must be between -{LARGEST_METRIC:g} and {LARGEST_METRIC:g}")
    return number


Number = Annotated[
    float,
    Field(
        strict=True,
        allow_inf_nan=False,
        # For readers of the OpenAPI document; `_bounded` has a clearer message.
        json_schema_extra={"minimum": -LARGEST_METRIC, "maximum": LARGEST_METRIC},
    ),
    AfterValidator(_bounded),
]
Metrics = Annotated[
    dict[Label, Number], AtMost(MAX_METRICS), ByLabel, AfterValidator(with_distinct_names)
]
Directions = Annotated[dict[Label, bool], AtMost(MAX_METRICS), ByLabel]


def _model_name(text: str) -> str:
    try:
        return check_name(text)
    except UnprocessableError as error:
        raise ValueError(error.message) from None


ModelName = Annotated[Label, AfterValidator(_model_name)]

_TAG = re.compile(r"[\w.\- :]+(?:/[\w.\- :]+)*")


def _tag_key(key: str) -> str:
    if _TAG.fullmatch(key) is None or {".", ".."} & set(key.split("/")):
        raise ValueError(
            "must have only letters, digits, spaces and _ . - : with single / between them"
        )
    if key.lower().startswith(("hokusai.", "mlflow.")):
        raise ValueError("must not begin with hokusai. or mlflow., which are the server's own")
    return key


def _tag_value(value: object) -> object:
    """Numbers and booleans become text as JSON writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Tags = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_tag_key)],
        Annotated[
            str,
            BeforeValidator(_tag_value),
            Field(max_length=5000),
            TextPattern(r"^[^\x00]*$", "must not contain the character NUL"),
        ],
    ],
    AtMost(100),
]


TokenId = Annotated[
    str,
    TextPattern(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        "must be 1 to 64 letters, digits, dots, hyphens and underscores, and begin with a letter "
        "or digit",
    ),
    Field(
        json_schema_extra={"maxLength": 64},
        description="The token id; upper and lower case are the same.",
        examples=["HROUT"],
    ),
]


def documented_pattern(pattern: str) -> Any:
    """A pattern for the OpenAPI document only: the code that checks it has a clearer message."""
    return Field(json_schema_extra={"pattern": pattern})
