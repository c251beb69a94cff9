"""The list of a model's files, and one of them, as endpoints read them."""

from typing import Any

from sqlalchemy import Integer, String, bindparam, case, cast, func, select, text

from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.model_files.schemas import FilesPage, FileView
from app.control_plane.registry.listing import VISIBLE
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import Model
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement
from app.rest.pagination import decode_number, encode_cursor

# Bytes of the paths of one page, and what each file takes besides.
MAX_PAGE = 256 * 1024
_ENTRY = 110

_FILES = case(
    (ModelFilesRecord.witnessed_at.is_(None), ModelFilesRecord.listed), else_=ModelFilesRecord.read
)
_PAGE = func.jsonb_path_query_array(
    func.coalesce(_FILES, func.jsonb_build_array()),
    text("'$[$start to $end]'::jsonpath"),
    func.jsonb_build_object(
        "start", cast(bindparam("start"), Integer), "end", cast(bindparam("end"), Integer)
    ),
)
_ONE = func.jsonb_path_query_first(
    _FILES,
    text("'$[*] ? (@.path == $path)'::jsonpath"),
    func.jsonb_build_object("path", cast(bindparam("path"), String)),
)
_OF_MODEL = (Model.model_id == bindparam("model_id"), VISIBLE)
_LIST = Statement(
    select(
        Model.model_id.label("model_id"),
        Model.files.label("state"),
        Model.share_files.label("share_files"),
        ModelFilesRecord.reason.label("reason"),
        ModelFilesRecord.oms_root.label("sha256"),
        ModelFilesRecord.weights.label("sha256_merkle_v1"),
        ModelFilesRecord.list_sha256.label("list_sha256"),
        func.coalesce(ModelFilesRecord.count, 0).label("count"),
        func.coalesce(ModelFilesRecord.total_bytes, 0).label("bytes"),
        ModelFilesRecord.witnessed_at.label("witnessed_at"),
        _PAGE.label("files"),
    )
    .join_from(Model, ModelFilesRecord, isouter=True)
    .where(*_OF_MODEL)
)
_FILE = Statement(
    select(
        *(
            getattr(Model, name).label(name)
            for name in (
                "model_id",
                "tenant",
                "mlflow_name",
                "mlflow_version",
                "mlflow_created_at",
                "run_id",
                "gone_at",
                "withdrawn_at",
                "withdrawal_reason",
                "files",
                "share_files",
            )
        ),
        _ONE.label("file"),
    )
    .join_from(Model, ModelFilesRecord, isouter=True)
    .where(*_OF_MODEL)
)


async def list_files(
    reads: Reads, model_id: str, principal: Principal, *, cursor: str | None, limit: int
) -> FilesPage:
    """What is known of a model's files, and a page of their list.

    Raises NotFoundError for a model that the principal may not see, or that is none, and
    InvalidParameterError.
    """
    start = decode_number(cursor) if cursor is not None else 0
    # PostgreSQL reads an index of JSON as an `int`.
    start = min(start, 2**31 - 2000)
    row = await reads.first(
        _LIST, model_id=model_id, own=principal.tenant, start=start, end=start + limit - 1
    )
    if row is None:
        raise no_model(model_id)
    facts: dict[str, Any] = vars(row)
    items: list[FileView] = []
    size = 0
    for file in facts.pop("files"):
        size += _ENTRY + len(file["path"].encode())
        if items and size > MAX_PAGE:
            break
        items.append(FileView(**file))
    end = start + len(items)
    following = encode_cursor(str(end)) if items and end < row.count else None
    return FilesPage(items=items, next=following, **facts)


async def find_file(reads: Reads, model_id: str, path: str, principal: Principal) -> Any:
    """A model, as far as its files are found with it, and as `file` the one of a path.

    Raises NotFoundError as `list_files` does. `file` is None where the list has no such path.
    """
    row = await reads.first(_FILE, model_id=model_id, own=principal.tenant, path=path)
    if row is None:
        raise no_model(model_id)
    return row
