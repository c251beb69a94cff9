"""Names of artifacts that MLflow cannot store: it reports them as an internal error, without words.

What is known of a name alone is checked before the request is forwarded. Whether a name is that of
a directory, or lies below a file, only MLflow knows; the gateway looks once an upload has failed.
"""

from app.core.errors import ConflictError, GatewayError, InvalidParameterError
from app.mlflow.client import MLflowClient

# Bytes of one part of a path, as file systems limit it (NAME_MAX).
MAX_PART = 255
# Parents that are looked up after a failed upload.
MAX_DEPTH = 16


def check_name(name: str) -> None:
    """Raise InvalidParameterError for a name with a part that no file system can store.

    name: the decoded path of the artifact, from the root of the store.
    """
    for part in name.split("/"):
        if len(part.encode()) > MAX_PART:
            raise InvalidParameterError(
                f"Each part of an artifact's path may have at most {MAX_PART} bytes; one begins "
                f"with {part[:20]!r} and has {len(part.encode())}. Use a shorter name."
            )


async def explain_failed_upload(
    mlflow: MLflowClient, workspace: str | None, name: str
) -> GatewayError | None:
    """Why an artifact of this name cannot be stored; None where its name is not the reason.

    workspace: of the tenant; None where tenants share one MLflow. Raises UpstreamError where MLflow
    does not respond.
    """
    path = name.rstrip("/")
    for depth in range(MAX_DEPTH):
        parent, _, last = path.rpartition("/")
        directories = await mlflow.artifacts_in(workspace, parent)
        if last in directories:
            if depth == 0 and directories[last]:
                return ConflictError(f"{last!r} is a directory. Use another name for the file.")
            if depth > 0 and not directories[last]:
                return ConflictError(
                    f"{path!r} is a file, so nothing can be stored below it. Use another path."
                )
            return None
        path = parent
        if not path:
            return None
    return None
