"""The author of a change, as the audit log records it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change.

    principal: the id of a `Principal`; `cli` for the command line, `anonymous` for a request
        without a credential.
    request_id: the id of the request; None on the command line.
    client: the client address of the request; None on the command line.
    """

    principal: str
    request_id: str | None = None
    client: str | None = None


CLI = Actor("cli")
