"""Hashing the files of a model while MLflow logs it, before they go up."""

from __future__ import annotations

import contextlib
import functools
import threading
from contextvars import ContextVar
from typing import Any, Iterator

from hokusai.errors import DocumentError
from hokusai.verify.model_files import ModelFile, hash_directory

# The lists of the directories that are uploaded in this context; None outside of `hashed_uploads`.
_lists: ContextVar[list[list[ModelFile]] | None] = ContextVar("hokusai_uploads", default=None)
_installing = threading.Lock()
_MARK = "_hokusai_hashes"


@contextlib.contextmanager
def hashed_uploads() -> Iterator[list[list[ModelFile]]]:
    """Yield a list that gets the files of each model that this thread logs in the block.

    MLflow makes a model in a temporary directory, which it uploads and removes within one call, so
    the only place to see the files before they go up is the method that uploads them. It stays
    empty with MLflow 2, which uploads them in another way.
    """
    _install()
    found: list[list[ModelFile]] = []
    token = _lists.set(found)
    try:
        yield found
    finally:
        _lists.reset(token)


def _install() -> None:
    """Wrap MLflow's method, once; outside of `hashed_uploads` it does what it did."""
    from mlflow import MlflowClient

    client_class: Any = MlflowClient
    with _installing:
        upload = getattr(client_class, "log_model_artifacts", None)
        if upload is None or hasattr(upload, _MARK):
            return

        @functools.wraps(upload)
        def hash_and_upload(
            client: Any, model_id: str, local_dir: str, *args: Any, **kwargs: Any
        ) -> Any:
            found = _lists.get()
            if found is not None:
                # What cannot be listed is registered without a list.
                with contextlib.suppress(DocumentError):
                    found.append(hash_directory(local_dir, follow_links=True))
            return upload(client, model_id, local_dir, *args, **kwargs)

        setattr(hash_and_upload, _MARK, True)
        client_class.log_model_artifacts = hash_and_upload
