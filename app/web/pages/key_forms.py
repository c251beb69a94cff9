"""What the pages of own keys and of all keys share: rotating a key, and showing a new one once."""

from fastapi import Request, status
from starlette.responses import Response

from app.access.identity.schemas import IssuedKey
from app.web.rendering import page

# When an old key ends, in seconds after its rotation, and how a person says so.
OVERLAPS = (
    (0, "ends at once"),
    (3600, "ends in an hour"),
    (86400, "ends in a day"),
    (7 * 86400, "ends in a week"),
    (30 * 86400, "ends in 30 days"),
)
# The one that is chosen unless another one is.
USUAL_OVERLAP = 86400


def show_once(
    request: Request,
    template: str,
    made: IssuedKey,
    *,
    done: str,
    replaced: str | None = None,
    ends_session: bool = False,
) -> Response:
    """The page with the secret of a new key.

    template: the page. done: where it leads on. replaced: the id of the key that was rotated.
    ends_session: whether the session of the request ends with that one.
    """
    return page(
        request,
        template,
        status=status.HTTP_201_CREATED,
        made=made,
        done=done,
        replaced=replaced,
        ends_session=ends_session,
    )
