"""Lineage: the tree of improvements on a first baseline, a page at a time."""

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from app.control_plane.registry.listing import VISIBLE
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import Model
from app.control_plane.registry.schemas import LineageNode, LineageView
from app.control_plane.registry.service import AttestationsByModel, lineage_node
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement, columns_of
from app.rest.listing import MAX_BYTES, Listing, by_number, load_page

_REQUESTED = Statement(
    select(Model.root, Model.path).where(Model.model_id == bindparam("model_id"), VISIBLE)
)
_COLUMNS = columns_of(Model, without=["stated_metadata", "tags", "warnings", "path", "evaluation"])
# The models of a tree, each after its baseline.
_TREE = Listing(
    by_number(Model.number, descending=False),
    _COLUMNS,
    Model.number,
    within=[Model.root == bindparam("root")],
    fits=[VISIBLE],
)
_PATH = Statement(
    select(*_COLUMNS)
    .where(Model.model_id == any_(bindparam("path", type_=ARRAY(TEXT))), VISIBLE)
    .order_by(Model.number)
)
# The models of a path that the first page shows as well, as far as they have `MAX_BYTES`.
_SHOWN_OF_PATH = 10


async def _path_nodes(reads: Reads, path: list[str], own: str) -> dict[str, LineageNode]:
    """The models of a path, those next to its end first where they are too large together."""
    rows = await reads.all(_PATH, path=path, own=own) if path else []
    nodes: list[LineageNode] = []
    size = 0
    for row in reversed(rows):
        node = lineage_node(row)
        size += len(node.model_dump_json())
        if nodes and size > MAX_BYTES:
            break
        nodes.append(node)
    return {node.model.model_id: node for node in reversed(nodes)}


async def show_lineage(
    reads: Reads,
    model_id: str,
    principal: Principal,
    attestations_by_model: AttestationsByModel,
    *,
    cursor: str | None,
    limit: int,
) -> LineageView:
    """A page of the tree of a model, as far as the principal may see it.

    Raises NotFoundError as `show_model` does.
    """
    own = principal.tenant
    requested = await reads.first(_REQUESTED, model_id=model_id, own=own)
    if requested is None:
        raise no_model(model_id)
    found, following = await load_page(
        reads, _TREE, lineage_node, cursor=cursor, limit=limit, root=requested.root, own=own
    )
    nodes = {node.model.model_id: node for node in found}
    if cursor is None:
        path = [one for one in requested.path[-_SHOWN_OF_PATH:] if one not in nodes]
        nodes |= await _path_nodes(reads, path, own)
    attestations = await attestations_by_model(reads, list(nodes), principal)
    for node in nodes.values():
        node.attestations = attestations[node.model.model_id]
    return LineageView(
        root=requested.root,
        nodes=list(nodes.values()),
        path=requested.path,
        complete=cursor is None and following is None,
        next=following,
    )
