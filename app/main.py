"""Assembles the gateway: every component is created, and connected to the others, here."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.identity.authenticator import Authenticator
from app.access.identity.cleanup import Cleanup
from app.access.identity.contract_wallets import ContractWallets
from app.access.identity.credential_cache import CredentialCache
from app.access.identity.middleware import Identity
from app.access.identity.peppers import Peppers
from app.access.identity.public_routes import PublicRoutes
from app.access.identity.replay_guard import ReplayGuard
from app.access.identity.sessions.authenticator import SessionAuthenticator
from app.access.identity.sessions.signing_in import SignIns
from app.access.identity.sessions.site import Sites
from app.access.identity.transactions import ChangeTransactions
from app.access.quotas.service import Quotas
from app.access.rate_limits.counter import Counter, MemoryCounter
from app.access.rate_limits.limiter import Limiter
from app.access.rate_limits.middleware import FailureLimit, RateLimit
from app.access.rate_limits.policy import Policy
from app.access.tenants.new_wallets import NewWallets
from app.access.tenants.workspaces import Workspaces
from app.chain.node import EthereumNode
from app.control_plane import application as control_plane
from app.control_plane import health
from app.control_plane.attestations.evidence import EvidenceCollector
from app.control_plane.attestations.issuing import AttestationIssuer
from app.control_plane.attestations.listing import newest_by_model
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.signing_key_history import register_attestor
from app.control_plane.benchmarks.registered_evaluation import RegisteredEvaluations
from app.control_plane.benchmarks.service import BenchmarkRegistry
from app.control_plane.body_reader import BodyReader
from app.control_plane.health import ReadinessChecks
from app.control_plane.idempotency.cleanup import IdempotencyCleanup
from app.control_plane.minting.attestor_registry import AttestorRegistry
from app.control_plane.minting.chain_registry import ChainRegistry
from app.control_plane.minting.mint_conditions import MintConditions
from app.control_plane.minting.model_heads import ModelHeads
from app.control_plane.minting.service import MintRequests
from app.control_plane.minting.signers import Signers
from app.control_plane.model_files import service as model_files
from app.control_plane.model_files.limits import ReadingLimits
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.present_files import PresentFiles
from app.control_plane.model_files.queue import ReadingQueue
from app.control_plane.model_files.reader import FileReader
from app.control_plane.proofs.checker import ProofChecker
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.proofs.service import Proofs
from app.control_plane.read_share import ReadShare
from app.control_plane.registry.planner import Planner
from app.control_plane.registry.presence import Presence
from app.control_plane.registry.reconciler import Reconciler
from app.control_plane.registry.registration import Registrations
from app.control_plane.registry.service import AttestationsByModel
from app.control_plane.registry.sources import Sources
from app.control_plane.transparency_log import tile_endpoints as log_tiles
from app.control_plane.transparency_log.cosignatures import Cosignatures
from app.control_plane.transparency_log.cosigning import Cosigner
from app.control_plane.transparency_log.signer import LogSigner
from app.control_plane.transparency_log.witnesses import parse_witnesses
from app.core.app_state import AppState
from app.core.background_tasks import background_tasks
from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.data_plane.fast_path import FastPath
from app.data_plane.proxy import application as data_plane
from app.data_plane.proxy.application import Proxy
from app.data_plane.proxy.error_mapping import map_error
from app.data_plane.proxy.path_policy import PREFIX
from app.data_plane.upstream.client import UpstreamClient
from app.database.engine import Database
from app.edge.cors import CrossOrigin, Preflight
from app.edge.documents import Documents
from app.edge.held_memory import HeldMemory
from app.edge.http1.unread_data import MAX_UNREAD, MAX_UNREAD_OF_ADDRESS
from app.edge.lifecycle import RequestLifecycle
from app.edge.request_rules import RequestRules
from app.mlflow.client import MLflowClient
from app.rest.dependencies import ChangeTransaction
from app.state_metrics import StateMetrics
from app.telemetry.logs import configure_logs
from app.telemetry.metrics import Metrics, serve_metrics
from app.web import routes as web
from app.web.error_pages import ErrorPages
from app.web.rendering import compile_templates
from app.web.static_files import PREFIX as STATIC
from app.web.static_files import StaticFiles

# Pairs of method and path of the API that need no credential. Browsers of any origin may read them.
PUBLIC_API = control_plane.PUBLIC | data_plane.PUBLIC
# All pairs of method and path that need no credential.
PUBLIC = PUBLIC_API | web.PUBLIC
# Health checks are frequent, and must never be refused with 429. What the gateway itself says to
# MLflow's web interface comes with every page, and costs nothing.
UNLIMITED = health.PUBLIC | data_plane.UNCOUNTED
# Beginnings of paths of the API below which each GET needs no credential.
PUBLIC_BELOW = (log_tiles.TILES,)
# Beginnings of the paths of public files, which count on no limit.
FILES = data_plane.FILES


def create_app(settings: Settings | None = None) -> "Gateway":
    """Create the gateway as an ASGI application; settings: by default, those of the environment.

    A request passes the layers in this order: lifecycle (request id, errors, metrics) → request
    rules → static files → failure limit → identity → rate limit → proxy or FastAPI. Around all of
    them, `ErrorPages` shows errors as pages to people. Raises StartupError for an invalid setting.
    """
    settings = settings or load_settings()
    if settings.database_url is None or settings.mlflow_url is None:
        raise StartupError("HOKUSAI_DATABASE_URL and HOKUSAI_MLFLOW_URL must be set")
    configure_logs(settings)
    metrics = Metrics()
    peppers = Peppers.from_settings(settings)
    attestor = Attestor.from_settings(settings)
    direct_url = settings.database_direct_url
    database = Database(
        settings.database_url.get_secret_value(),
        connections=settings.database_connections,
        direct_url=direct_url.get_secret_value() if direct_url else None,
    )
    upstream = UpstreamClient.from_settings(
        settings,
        map_error=partial(map_error, artifacts=settings.data_dir / "mlflow"),
        on_failure=metrics.count_upstream_error,
    )
    authorization = settings.mlflow_authorization
    mlflow_credential = authorization.get_secret_value() if authorization else None
    mlflow = MLflowClient(upstream.base_url, upstream, authorization=mlflow_credential)
    credential_cache = CredentialCache()
    contract_wallets = ContractWallets(EthereumNode.from_settings(settings))
    authenticator = Authenticator(settings, database, peppers, credential_cache, contract_wallets)
    sites = Sites(settings)
    sessions = SessionAuthenticator(sites, database, peppers, credential_cache)
    changes = ChangeTransactions(database, credential_cache)
    counter = _counter(settings, metrics)
    limiter = Limiter(Policy.from_settings(settings), counter)
    quotas = Quotas(settings, limiter.creations)
    new_wallets = NewWallets(limiter.new_wallet_limit)
    sign_ins = SignIns(
        settings, authenticator, contract_wallets, peppers, limiter, new_wallets, changes
    )
    workspaces = Workspaces(database, mlflow, settings.tenancy, new_wallets)
    presence = Presence(database, mlflow)
    sources = Sources(database, mlflow, workspaces, presence)
    places = Places(mlflow, workspaces, presence)
    evidence = EvidenceCollector(sources, PresentFiles(database, places))
    register = partial(register_attestor, attestor=attestor, retired=settings.retired_attestors)
    circuits = Circuits(settings.proof_keys or settings.data_dir / "proof-keys")
    proofs = Proofs(circuits, ProofChecker())
    witnesses = parse_witnesses(settings.witnesses)
    cosignatures = Cosignatures([witness.key for witness in witnesses])
    log_signer = LogSigner(attestor.checkpoint_signer, register, cosignatures)
    cosigner = Cosigner(database, log_signer, witnesses)
    attestation_issuer = AttestationIssuer(database, evidence, attestor, log_signer, quotas, proofs)
    benchmark_registry = BenchmarkRegistry(database, log_signer, quotas)
    chain_registry = ChainRegistry.from_settings(settings)
    planner = Planner(sources, RegisteredEvaluations(database))
    model_heads = ModelHeads.from_settings(settings)
    mint_conditions = MintConditions.from_settings(settings)
    signers = Signers.from_settings(settings, attestor.address)
    attestor_registry = AttestorRegistry.from_settings(settings, signers.addresses)
    mint_requests = MintRequests(
        database,
        changes,
        attestor,
        signers,
        attestor_registry,
        model_heads,
        mint_conditions,
        settings.evaluation_budget,
    )
    file_reader = FileReader(
        ReadingQueue(database, settings.registration_lease),
        places,
        ReadingLimits.from_settings(settings),
        settings.model_files_readers,
    )

    def count_registration(kind: str, outcome: str) -> None:
        metrics.count_registration(kind, outcome)
        if outcome == "registered":
            file_reader.wake()

    registrations = Registrations(
        database,
        mlflow,
        planner,
        presence,
        settings.registration_lease,
        quotas,
        model_files.begin,
        count_registration,
    )
    reconciler = Reconciler(database, registrations, settings.registration_lease)
    documents = Documents(settings.body_timeout)

    cleanup = Cleanup(
        database,
        credential_cache,
        ended_key_days=settings.ended_key_days,
        removals=(IdempotencyCleanup(settings.idempotency_days),),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.push_async_callback(upstream.aclose)
            stack.push_async_callback(counter.close)
            stack.push_async_callback(chain_registry.close)
            stack.push_async_callback(model_heads.close)
            stack.push_async_callback(mint_conditions.close)
            stack.push_async_callback(attestor_registry.close)
            stack.push_async_callback(contract_wallets.close)
            stack.push_async_callback(cosigner.close)
            if settings.workers == 1:
                stack.enter_context(
                    serve_metrics(settings.metrics_host, settings.metrics_port, metrics.registry)
                )
            await stack.enter_async_context(
                background_tasks(
                    credential_cache.listen(database),
                    cleanup.run_periodically(),
                    reconciler.run(),
                    file_reader.run(),
                    cosigner.run(),
                    state_metrics.run(),
                    compile_templates(),
                )
            )
            yield

    api = control_plane.create_api(lifespan, web.ROUTES)
    checks = ReadinessChecks(
        database,
        mlflow,
        needs_workspaces=settings.tenancy == "workspaces",
        artifacts=settings.data_dir / "mlflow",
    )
    api.state.services = AppState(
        {
            Settings: settings,
            Metrics: metrics,
            Peppers: peppers,
            Database: database,
            Documents: documents,
            Authenticator: authenticator,
            CredentialCache: credential_cache,
            ContractWallets: contract_wallets,
            ChangeTransaction: changes,
            Sites: sites,
            SignIns: sign_ins,
            NewWallets: new_wallets,
            Quotas: quotas,
            Workspaces: workspaces,
            Limiter: limiter,
            Attestor: attestor,
            LogSigner: log_signer,
            Cosigner: cosigner,
            AttestationIssuer: attestation_issuer,
            Circuits: circuits,
            BenchmarkRegistry: benchmark_registry,
            ChainRegistry: chain_registry,
            MintRequests: mint_requests,
            Registrations: registrations,
            Places: places,
            AttestationsByModel: newest_by_model,
            ReadinessChecks: checks,
        }
    )

    replay_guard = ReplayGuard(database)
    proxy = Proxy(
        settings, upstream, workspaces, replay_guard, mlflow, documents, mlflow_credential
    )
    app: ASGIApp = PlaneRouter(proxy, BodyReader(ReadShare(api, health.PUBLIC), documents))
    app = limit = RateLimit(app, limiter, UNLIMITED, FILES)
    app = identity = Identity(
        app, authenticator, sessions, PublicRoutes(PUBLIC, FILES, PUBLIC_BELOW)
    )
    app = failures = FailureLimit(app, limiter, metrics.count_authentication_failure)
    cross_origin = CrossOrigin(settings.cors_origins, PUBLIC_API, PUBLIC_BELOW)
    app = StaticFiles(app)
    app = Preflight(app, cross_origin)
    app = rules = RequestRules(app, settings.trusted_proxies)
    app = lifecycle = RequestLifecycle(
        app, metrics, settings.access_log, cross_origin, (*FILES, STATIC)
    )
    fast_path = FastPath(lifecycle, rules, failures, identity, limit, proxy, upstream)
    unread_responses = HeldMemory(total=MAX_UNREAD, per_address=MAX_UNREAD_OF_ADDRESS)
    held = {"documents": documents.held, "responses": unread_responses}
    state_metrics = StateMetrics(
        metrics, fast_path, lifecycle, limiter, held, upstream, database, mlflow, checks
    )
    return Gateway(ErrorPages(app), api, fast_path, api.state.services, unread_responses)


class PlaneRouter:
    """Routes a request to the data plane (paths below /api/mlflow) or to the control plane.

    Without it, requests to the proxy would pass FastAPI's router, which takes longer than all other
    layers together.
    """

    def __init__(self, proxy: ASGIApp, api: ASGIApp) -> None:
        self.proxy = proxy
        self.api = api

    # Not `async`, here and below: returning the inner coroutine avoids creating another one.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: bytes = scope["raw_path"]
        if path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in (b"", b"/"):
            return self.proxy(scope, receive, send)
        return self.api(scope, receive, send)


class Gateway:
    """The ASGI application: requests pass the middleware, the lifespan is that of FastAPI.

    fast_path: the server's protocol passes requests to it first: see `FastPath`.
    services: the parts of the application, by their types.
    unread_responses: the server's protocol counts with it what clients do not read.
    """

    def __init__(
        self,
        app: ASGIApp,
        api: ASGIApp,
        fast_path: FastPath,
        services: AppState,
        unread_responses: HeldMemory,
    ) -> None:
        self.app = app
        self.api = api
        self.fast_path = fast_path
        self.services = services
        self.unread_responses = unread_responses

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (self.api if scope["type"] == "lifespan" else self.app)(scope, receive, send)


def _counter(settings: Settings, metrics: Metrics) -> Counter:
    if settings.redis_url is None:
        return MemoryCounter()
    # Imported only if needed, because redis-py takes a twelfth of the process's memory.
    from app.access.rate_limits.redis_counter import RedisCounter

    return RedisCounter(
        settings.redis_url.get_secret_value(),
        processes=settings.workers * settings.replicas,
        on_fallback=metrics.limit_fallbacks.inc,
    )
