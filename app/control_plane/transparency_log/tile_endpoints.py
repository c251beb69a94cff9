"""HTTP endpoints: the log for monitors and mirrors that read C2SP tlog-tiles."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app.control_plane.transparency_log import tiles
from app.control_plane.transparency_log.dependencies import Signer
from app.control_plane.transparency_log.tiles import TileName
from app.rest.dependencies import Session

# A path without a slash at its end, which is what the specification calls the prefix.
PREFIX = "/log"
CHECKPOINT = f"{PREFIX}/checkpoint"
# The beginning of the paths of all tiles. They need no credential either.
TILES = f"{PREFIX}/tile/"
PUBLIC = frozenset({("GET", CHECKPOINT)})

NOTE = "text/plain; charset=utf-8"
# The bytes of a tile never change, and neither do those of one that is not full.
_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_SECONDS = {"cache-control": "public, max-age=5"}

router = APIRouter(tags=["attestations"])


@router.get(CHECKPOINT, response_class=PlainTextResponse)
async def checkpoint_note(session: Session, signer: Signer) -> Response:
    """The signed checkpoint alone, where C2SP tlog-tiles has it; if there are witnesses, the newest
    that they have cosigned.

    `/log/tile/<level>/<number>` and `/log/tile/entries/<number>` are the tiles of the log.
    """
    _, note = await signer.published(session)
    return Response(note, media_type=NOTE, headers=_SECONDS)


# OpenAPI knows no path parameter that contains slashes.
@router.get(TILES + "{name:path}", include_in_schema=False)
async def tile(request: Request, session: Session) -> Response:
    """The hashes or entries of a tile."""
    # Not the parameter, from which a line break at the end is missing.
    name = request.scope["path"].removeprefix(TILES)
    found = await tiles.read(session, TileName.parse(name))
    return Response(found, media_type="application/octet-stream", headers=_FOREVER)
