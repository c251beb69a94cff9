"""The author of a change, as the audit log records it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change.

    principal: the id of a `Principal`; `cli` for the command line, `anonymous` for a request
        without a credential.
    request_id: the id of the request; None on the command line.
    client: the client address of the request; None on the command line.

    No member has a default: limits per address count on `client`, and without it all callers would
    share one count.
    """

    principal: str
    request_id: str | None
    client: str | None


CLI = Actor("cli", request_id=None, client=None)
