"""The headers of idempotent requests, and of the responses to repetitions."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Identifies this request: a repetition with the same key gets the same "
        "response, and changes nothing more. Without a key, the same body is the same request.",
    ),
]

# The response is that to an earlier request.
REPLAYED = "Idempotent-Replayed"
