"""Imports every table of the schema, so that SQLAlchemy's metadata is complete."""

from app.access.audit.models import AuditEvent
from app.access.identity.models import AccessToken, APIKey, Fingerprint, Nonce, SpentSignature
from app.access.identity.sessions.models import BrowserSession, SignInLink
from app.access.quotas.models import TenantQuota
from app.access.tenants.models import Tenant
from app.control_plane.attestations.models import (
    Attestation,
    AttestedContributor,
    KnownAttestor,
    KnownEnvelopeKey,
)
from app.control_plane.benchmarks.models import Benchmark, LabelRelease, PredictionCommitment
from app.control_plane.contributors.models import Contribution, Contributor, ContributorTotal
from app.control_plane.idempotency.models import IdempotentRequest
from app.control_plane.minting.models import MintApproval, MintRequest, TokenBinding
from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.registry.models import (
    MetricObservation,
    Model,
    Registration,
    Token,
)
from app.control_plane.transparency_log.models import LogEntry, LogNode, LogWitness

TABLES = (
    AccessToken,
    APIKey,
    Attestation,
    AttestedContributor,
    AuditEvent,
    Benchmark,
    BrowserSession,
    Contribution,
    Contributor,
    ContributorTotal,
    Fingerprint,
    IdempotentRequest,
    KnownAttestor,
    KnownEnvelopeKey,
    LabelRelease,
    LogEntry,
    LogNode,
    LogWitness,
    MetricObservation,
    MintApproval,
    MintRequest,
    Model,
    ModelFilesRecord,
    Nonce,
    PredictionCommitment,
    Registration,
    SignInLink,
    SpentSignature,
    Tenant,
    TenantQuota,
    Token,
    TokenBinding,
)
