"""A view as a response, written once."""

from pydantic import BaseModel
from starlette.responses import Response


def json_response(view: BaseModel) -> Response:
    """The view as JSON. FastAPI would validate a view that an endpoint returns a second time."""
    return Response(view.model_dump_json(), media_type="application/json")
