"""Every table's class, so that whoever needs the whole schema has one place to import."""

from app.attestations.models import Attestation, KnownAttestor, LogEntry, LogNode
from app.audit.models import AuditEvent
from app.identity.models import AccessToken, APIKey, Fingerprint, Nonce, SpentSignature
from app.tenants.models import Tenant

MODELS = (
    AccessToken,
    APIKey,
    Attestation,
    AuditEvent,
    Fingerprint,
    KnownAttestor,
    LogEntry,
    LogNode,
    Nonce,
    SpentSignature,
    Tenant,
)
