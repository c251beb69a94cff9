"""The improvement that an attestation is about, as the registry has it: model, lineage, token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.registry.metric_direction import direction_of
from app.control_plane.registry.metric_source import is_same
from app.control_plane.registry.models import Model, Token
from app.control_plane.registry.service import model_directions
from app.core.errors import NotMintableError


@dataclass(frozen=True, slots=True)
class Improvement:
    """A registered improvement on a model of a token.

    root: the tokenized model with which its lineage begins. token: that of `root`, which may belong
    to another tenant than the improvement.
    """

    model: Model
    root: Model
    token: Token


async def find_improvement(session: AsyncSession, data: Mapping[str, Any]) -> Improvement:
    """The improvement that an attestation is about. data: of the attestation.

    Raises NotMintableError where a registration of the lineage was withdrawn, where MLflow no
    longer has the version, where the attestation states anything else than the registry does (other
    models than an improvement and its baseline, other contributors, or another metric than the
    token's holder registered), where only an improver says which way the metric improves, and where
    the baseline is worse than a model before it.
    """
    model = await session.get(Model, data["model_id"]) if data["model_id"] else None
    if model is None or model.baseline_model_id is None:
        raise NotMintableError(
            "Only a registered improvement can be minted: register the model (POST "
            "/api/models/improved), and have it attested by its model_id."
        )
    if model.gone_at is not None:
        raise NotMintableError(f"MLflow no longer has the version of {model.model_id}.")
    if data["baseline"]["model_id"] != model.baseline_model_id:
        raise NotMintableError(
            f"The attestation compares {model.model_id} with another model than its baseline "
            f"{model.baseline_model_id}. Have it attested by its model_id alone."
        )
    if _shares(data["contributors"]) != _shares(model.contributors):
        raise NotMintableError(
            "The attestation names other contributors than the registration. Have the model "
            "attested without data_contribution."
        )
    root = await session.get(Model, model.root)
    token = None if root is None or root.token is None else await session.get(Token, root.token)
    if root is None or token is None:
        raise NotMintableError(
            f"The lineage of {model.model_id} begins with {model.root}, which is registered under "
            "no token id. Only improvements on a tokenized model can be minted."
        )
    withdrawn = await session.scalar(
        select(Model.model_id)
        .where(Model.model_id.in_(model.path), Model.withdrawn_at.is_not(None))
        .limit(1)
    )
    if withdrawn is not None:
        raise NotMintableError(f"The registration of {withdrawn} was withdrawn.")
    if data["primary_metric"] != root.metric_name:
        raise NotMintableError(
            f"The metric of the token id {token.symbol!r} is {root.metric_name}, and not "
            f"{data['primary_metric']}. Have the model attested with primary_metric "
            f"{root.metric_name}."
        )
    improvement = Improvement(model, root, token)
    delta = data["delta"][root.metric_name]
    _require_direction_of_token(improvement)
    await _require_best_baseline(session, model, root.metric_name, delta)
    return improvement


def _require_direction_of_token(improvement: Improvement) -> None:
    """The holder of the token says which way its metric improves; an improver's word is not it."""
    root, token = improvement.root, improvement.token
    assert root.metric_name is not None
    direction = model_directions(root).get(root.metric_name) or direction_of(root.metric_name)
    if direction.source == "guessed" and improvement.model.tenant != token.tenant:
        raise NotMintableError(
            f"{root.model_id} does not say whether a higher or a lower {root.metric_name} is "
            f"better, and only the holder of the token id {token.symbol!r} can: by registering the "
            "tokenized model with higher_is_better."
        )


async def _require_best_baseline(
    session: AsyncSession, model: Model, metric: str | None, delta: Mapping[str, Any]
) -> None:
    """No model between the first of the lineage and the baseline may be better than the baseline.

    A worse model in between would make an improvement of what only gets back to where it was.
    """
    value = Model.metrics[metric].as_float()
    order = value.desc() if delta["higher_is_better"] else value.asc()
    before = select(Model.model_id, value).where(
        Model.model_id.in_(model.path[:-1]), value.is_not(None)
    )
    best = (await session.execute(before.order_by(order, Model.number).limit(1))).first()
    if best is None:
        return
    best_id, best_value = best
    is_better = (
        best_value > delta["baseline"]
        if delta["higher_is_better"]
        else best_value < delta["baseline"]
    )
    if is_better and not is_same(best_value, delta["baseline"]):
        raise NotMintableError(
            f"The baseline {model.baseline_model_id} has {metric} {delta['baseline']:g}, which is "
            f"worse than {best_value:g} of {best_id} before it. Register the model as an "
            f"improvement on {best_id}."
        )


def _shares(contributors: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    members = ("address", "weight_bps", "data_size", "data_hash")
    return [tuple(share[name] for name in members) for share in contributors]
