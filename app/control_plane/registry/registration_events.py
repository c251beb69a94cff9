"""The event that the platform's SDK sends after it has registered a tokenized model in MLflow."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import select

from app.control_plane.document_route import DocumentRoute
from app.control_plane.registry.fields import ModelName, Number, TokenId, documented_pattern
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import is_current
from app.control_plane.registry.registration import Registrations
from app.control_plane.registry.schemas import TokenizedRequest
from app.core.app_state import state_of
from app.core.errors import ConflictError
from app.core.request.context import context_of
from app.core.request.principal import Principal
from app.core.text_pattern import TextPattern
from app.database.engine import Database
from app.rest.dependencies import CurrentActor, Registering
from app.rest.fields import Label
from app.rest.json_values import Document
from app.rest.request_model import MAX_MEMBERS, RequestModel

router = APIRouter(prefix="/api/models", tags=["models"], route_class=DocumentRoute)


_VERSION = r"^[1-9][0-9]{0,8}$"


class RegistrationEvent(RequestModel):
    """A version of a tokenized model that is in MLflow already.

    Members that are not listed are ignored: later releases of the SDK send further ones.
    """

    model_config = ConfigDict(
        extra="ignore",
        protected_namespaces=(),
        json_schema_extra={
            "maxProperties": MAX_MEMBERS,
            "examples": [
                {
                    "model_name": "Sales Lead Scoring",
                    "version": "7",
                    "token_id": "HLEAD",
                    "proposal_identifier": "HLEAD",
                    "metric_name": "accuracy",
                    "baseline_value": 0.81,
                    "mlflow_run_id": "5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10",
                }
            ],
        },
    )

    model_name: ModelName = Field(description="The registered model in MLflow.")
    version: Annotated[
        Label, TextPattern(_VERSION, "must be a version's number"), documented_pattern(_VERSION)
    ]
    token_id: TokenId
    metric_name: Label = Field(description="The metric that baseline_value is a value of.")
    baseline_value: Number
    mlflow_run_id: Label | None = Field(
        default=None, description="The run that made it; MLflow's own record of it counts."
    )
    proposal_identifier: Label | None = None
    model_uri: Label | None = Field(default=None, description="Not used: the version is known.")
    current_value: Number | None = Field(
        default=None, description="Kept as stated; the run's metrics count."
    )
    eval_spec: Label | None = None
    scorer_ref: Label | None = None
    primary_metric: Label | None = None
    benchmark_spec_id: Label | None = None
    api_schema: Document | None = None
    tags: Document | None = Field(
        default=None, description="Not used: the SDK has set them on the version itself."
    )

    @model_validator(mode="after")
    def _can_be_registered(self) -> Self:
        try:
            self.registration()
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, problem["loc"])) or "the event"
            raise ValueError(f"cannot be registered: {place}: {problem['msg']}") from None
        return self

    def registration(self) -> TokenizedRequest:
        """The registration that the event stands for; what it says besides goes into metadata."""
        stated = (
            *("proposal_identifier", "current_value", "eval_spec", "scorer_ref"),
            *("primary_metric", "benchmark_spec_id", "api_schema"),
        )
        said = self.model_dump(mode="json", include=set(stated), exclude_none=True)
        return TokenizedRequest(
            model_uri=f"models:/{self.model_name}/{self.version}",
            model_name=self.model_name,
            token_id=self.token_id,
            metric_name=self.metric_name,
            baseline_value=self.baseline_value,
            # Not at the top level, where numbers would be metrics.
            metadata={"registration_event": said} if said else {},
        )


class RegistrationEventView(BaseModel):
    """The outcome of an event, with the members that the platform's SDK reads."""

    model_config = ConfigDict(protected_namespaces=())

    status: Literal["ok"] = "ok"
    model_id: str = Field(description="The registered model.", examples=["hkm_6J0v2Yb0T3mXqk1s"])
    model_name: str
    version: str
    event_emitted: Literal[True] = Field(
        default=True, description="The model is in the registry, by this event or an earlier one."
    )
    detail: None = None

    @classmethod
    def of(cls, model_id: str, event: RegistrationEvent) -> Self:
        """The view of a registered model."""
        return cls(model_id=model_id, model_name=event.model_name, version=event.version)


@router.post("/tokenized-registration-events")
async def register_event(
    request: Request, body: RegistrationEvent, caller: Registering, actor: CurrentActor
) -> RegistrationEventView:
    """Register the version of a tokenized model that is in MLflow, as /api/models/tokenized does.

    The same event again gets the same response.
    """
    state = state_of(request)
    proof = context_of(request.scope).wallet_proof
    try:
        response = await state[Registrations].register(
            caller, "tokenized", body.registration(), actor, None, proof
        )
    except ConflictError:
        model_id = await _find_same(state[Database], body, caller)
        if model_id is None:
            raise
        return RegistrationEventView.of(model_id, body)
    return RegistrationEventView.of(response.document["model_id"], body)


async def _find_same(
    database: Database, event: RegistrationEvent, principal: Principal
) -> str | None:
    """The id of the model that an earlier event, or a registration, has registered alike."""
    query = select(Model.model_id).where(
        Model.tenant == principal.tenant,
        Model.mlflow_name == event.model_name,
        Model.mlflow_version == event.version,
        Model.token == event.token_id.upper(),
        Model.metric_name == event.metric_name,
        Model.baseline_value == event.baseline_value,
        is_current(),
    )
    async with database.transaction() as session:
        return await session.scalar(query)
