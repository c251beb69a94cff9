"""Examples of requests with curl, for the pages of the reference."""

import json

from app.control_plane.reference.openapi import Document


def curl_command(method: str, path: str, operation: Document, body: Document | None) -> str:
    """A request to an endpoint, in a line for each option.

    body: the media type of the request's body, with its `example`; None without one. The gateway's
    address and the key are in the variables that the SDK reads too.
    """
    words = ["curl"]
    if method != "GET":
        words.append(f"-X {method}")
    if operation["security"]:
        words.append('-H "Authorization: Bearer $HOKUSAI_API_KEY"')
    if body is not None:
        words.append(f"--json '{json.dumps(body['example'], ensure_ascii=False)}'")
    words.append(f'"$HOKUSAI_URL{path}"')
    return (" " if len(words) == 2 else " \\\n  ").join(words)
