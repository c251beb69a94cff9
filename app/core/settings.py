"""Every setting of the gateway: environment variable `HOKUSAI_<NAME>`, unit and default value.

Longer than most files here: all settings are in one class, so that one look finds any of them.
"""

import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.chains import CHAINS, with_named_chain
from app.core.errors import StartupError
from app.core.ethereum import is_address
from app.core.networks import Network, parse_network
from app.core.text_pattern import TextPattern
from app.core.validation_errors import problems_with

# The minimum length of a pepper in characters: too long to guess by brute force.
MIN_PEPPER = 16
# The scheme of a URL that names a Unix socket instead of a host.
UNIX = "unix://"
AccessLog = Literal["all", "errors", "none"]
# A year: a longer time is a mistake, and overflows in some clocks.
MAX_SECONDS = 366 * 24 * 3600
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=1)]
# A newline within a value, a tab, or any other character that no setting can contain.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9._-]+")


class Settings(BaseSettings):
    """The gateway's configuration, read once at start (docs/configuration.md)."""

    model_config = SettingsConfigDict(
        env_prefix="HOKUSAI_",
        # An empty variable, as templates produce it, counts as not set.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # The listener.
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: Count = 1
    # The gateway's URL as users see it; SIWE messages must name its host and port. Without it,
    # Sign-In with Ethereum is disabled, except for a gateway that only this machine can reach.
    public_url: str | None = None
    # Reverse proxies whose X-Forwarded-For is trusted, as CIDR blocks separated by commas.
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    # Whether browsers may sign in over plain HTTP on a name that is not loopback. Keys and
    # sessions can then be read on the network.
    plain_http_sessions: bool = False
    # Browser origins that may call the API, separated by commas; none by default.
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    # Services that the gateway needs. `hokusai-gateway serve` starts those that are not set.
    data_dir: Path = Path(".hokusai")
    database_url: SecretStr | None = None
    # The same database without the connection pooler that `database_url` leads to.
    database_direct_url: SecretStr | None = None
    # The same database with the role that owns its tables; only `migrate` uses it.
    migration_database_url: SecretStr | None = None
    database_connections: Count = 10
    # http://, https://, or unix:// with the absolute path of a socket.
    mlflow_url: str | None = None
    # Sent to MLflow as the Authorization header, if MLflow itself requires one.
    mlflow_authorization: SecretStr | None = None
    # A file of PEM certificates to trust for an https MLflow, instead of the system's.
    mlflow_ca_file: Path | None = None
    redis_url: SecretStr | None = None
    # `workspaces`: a tenant is an MLflow workspace. `shared`: all tenants see one MLflow.
    tenancy: Literal["workspaces", "shared"] = "workspaces"

    # Identity. The pepper is the secret key of the HMAC that API keys and tokens are stored as.
    key_pepper: SecretStr | None = None
    # Earlier peppers, oldest first, separated by commas: API keys made with them remain valid.
    retired_peppers: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    # How old a wallet's signed message may be, and how far ahead of the gateway's clock.
    signature_max_age: Seconds = 300
    signature_clock_skew: Seconds = 60
    # The chain ids that a SIWE message may name, separated by commas; any by default.
    siwe_chain_ids: Annotated[tuple[int, ...], NoDecode] = ()
    # The lifetime of a wallet's token, if the request for it names none.
    token_seconds: int = Field(default=3600, ge=900, le=3600)

    # Attestations. The attestor key is 32 bytes in hexadecimal: given here, in a file, or in an
    # encrypted keystore file (Web3 Secret Storage).
    attestor_key: SecretStr | None = None
    attestor_key_file: Path | None = None
    attestor_keystore: Path | None = None
    attestor_keystore_password: SecretStr | None = None
    # Addresses of earlier attestors of the same database, separated by commas.
    retired_attestors: Annotated[tuple[str, ...], NoDecode] = ()
    # The keys of proofs, as `hokusai circuits` makes them; by default `proof-keys` in data_dir.
    proof_keys: Path | None = None
    # A chain by its name: sets the id and the contracts below.
    chain: Literal["mainnet"] | None = None
    # The domain of the attestor's signatures (EIP-155, EIP-712).
    chain_id: Count = 1
    verifying_contract: str = "0x0000000000000000000000000000000000000000"
    # The contract of the Ethereum Attestation Service on that chain, and its version.
    eas_contract: str = CHAINS["mainnet"]["eas_contract"]
    eas_version: str = CHAINS["mainnet"]["eas_version"]
    # An Ethereum node of that chain (JSON-RPC), which reads contracts; its URL may contain a key.
    rpc_url: SecretStr | None = None
    # The longest wait for its response.
    rpc_timeout: Seconds = 5
    # The contract of that chain that lists the models with their tokens.
    model_registry: str = CHAINS["mainnet"]["model_registry"]
    # Mint requests. The addresses of further attestors, besides the gateway's own, whose signatures
    # are accepted, separated by commas; and how many signatures the contract asks for, in all: by
    # default as many as it says, or 1 without a node.
    mint_signers: Annotated[tuple[str, ...], NoDecode, Field(max_length=100)] = ()
    mint_signatures: int | None = Field(default=None, ge=1, le=8)
    # What an evaluation may cost, in millionths of a US dollar; 0: not known.
    evaluation_budget: int = Field(default=0, ge=0, le=10**15)
    # The name in the log's checkpoints; one log keeps one name.
    log_origin: Annotated[
        str, TextPattern(r"^[^\s+]+$", "must be a name without spaces and plus signs")
    ] = "hokusai.registry/attestations"
    # Witnesses of the log, separated by commas: of each its key, a space, and its URL.
    witnesses: Annotated[tuple[str, ...], NoDecode] = ()

    # Registration: how long one gateway works on a registration exclusively before another one may
    # resume it; longer than one request to MLflow takes.
    registration_lease: Seconds = 120

    # Files of registered models, which the gateway reads in MLflow. How many models one process
    # reads at the same time, and how many bytes per second of all of them; 0 readers: none.
    model_files_readers: int = Field(default=2, ge=0)
    model_files_rate: Bytes = 100 * 1024**2
    # What is read of one model: the number of files, the bytes and the seconds for all of them.
    model_files_count: Count = 10_000
    model_files_bytes: Bytes = 100 * 1024**3
    model_files_seconds: Seconds = 3600

    # Rate limits. Requests per window of a principal whose key has no limit of its own.
    rate_limit: Count = 100
    # The length of a window in whole seconds; the limits below are per window too.
    rate_window: Count = 60
    # Requests of all wallets together per client address: creating wallets is free, so a limit for
    # each wallet alone would limit nobody.
    wallet_address_limit: Count = 1000
    # Requests of all browser sessions of a principal together: a page of MLflow's UI sends dozens.
    session_rate_limit: Count = 600
    # Failed authentications, and anonymous requests, per client address.
    failure_limit: Count = 100
    anonymous_limit: Count = 100
    # New wallets per client address and hour: each creates an MLflow workspace permanently.
    new_wallet_limit: Count = 30
    # What wallets create (keys, tokens, models, attestations) per client address, hour and kind.
    creation_limit: Count = 300
    # Quotas: how many of each kind a tenant may have. An admin can give a tenant others.
    key_quota: Count = 1000
    token_quota: Count = 1000
    model_quota: Count = 10_000
    contribution_quota: Count = 100_000
    attestation_quota: Count = 10_000
    approval_quota: Count = 10_000
    benchmark_quota: Count = 1000
    prediction_quota: Count = 10_000
    # Days for which an API key that has ended stays in lists, and for which a registration that is
    # repeated with the same Idempotency-Key gets its first response.
    ended_key_days: Count = 90
    idempotency_days: Count = 90
    # How many gateways share the limits: while Redis is unreachable, each enforces its share alone.
    replicas: Count = 1

    # Sizes and timeouts of requests and of connections to MLflow. The largest request body.
    max_upload: Bytes = 50 * 1024**3
    # Whether users can reach the object store that MLflow signs URLs for. If not, their clients
    # transfer all artifacts through the gateway.
    direct_artifacts: bool = True
    # The longest wait for the next part of a request's body.
    body_timeout: Seconds = 30
    connect_timeout: Seconds = 5
    # The longest wait for MLflow's next byte. Together with the waits for a connection it is less
    # than the MLflow client's own timeout of 120 s, so that the client receives the error response.
    upstream_read_timeout: Seconds = 105
    upstream_connections: Count = 100
    # The share of the connections not used by other tenants that one tenant may use; 1: all.
    upstream_tenant_share: float = Field(default=0.5, gt=0, le=1)
    # The longest wait for a free connection to MLflow.
    upstream_pool_timeout: Seconds = 5
    # After SIGTERM, how long /readyz is 503 while requests are still served, before the listener
    # closes: longer than a load balancer takes to notice.
    drain_delay: float = Field(default=0, ge=0, le=MAX_SECONDS, allow_inf_nan=False)
    # How long requests in flight have to finish after that.
    shutdown_grace_period: Seconds = 30

    # Logs and metrics.
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Which requests get a log line: all, those with a 4xx or 5xx response, or none.
    access_log: AccessLog = "errors"
    # The port of Prometheus metrics; without one they are at /metrics, for admins.
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    # The address of that port. It needs no credential, so it is not HOKUSAI_HOST by default.
    metrics_host: str = "127.0.0.1"

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Remove the white space around each value, such as the newline at the end of a file.

        A value of nothing else counts as not set. Then a named chain's values are added.
        """
        stripped: dict[str, Any] = {}
        for name, value in values.items():
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if not isinstance(text, str):
                stripped[name] = value
                continue
            text = text.strip()
            if _CONTROL.search(text):
                raise ValueError(f"HOKUSAI_{name.upper()}: must be one line, without tabs")
            if text:
                stripped[name] = SecretStr(text) if isinstance(value, SecretStr) else text
        return with_named_chain(stripped)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        # Converted here because pydantic's own message says neither which network is wrong nor why.
        # Of two `before` validators the later one in the source, `_split`, runs first.
        return tuple(map(parse_network, value)) if isinstance(value, tuple) else value

    @field_validator(
        "trusted_proxies",
        "cors_origins",
        "retired_peppers",
        "retired_attestors",
        "mint_signers",
        "siwe_chain_ids",
        "witnesses",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("mlflow_url", "public_url")
    @classmethod
    def _web_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if info.field_name == "mlflow_url" and value.startswith(UNIX):
            if not value.removeprefix(UNIX).startswith("/"):
                raise ValueError("must be unix:// and the absolute path of a socket")
            return value
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises ValueError for an invalid port
        except ValueError:
            raise ValueError("must be a URL with a valid host and port") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            socket = ", or unix:// and a path" if info.field_name == "mlflow_url" else ""
            raise ValueError(f"must be an http:// or https:// URL with a host{socket}")
        if not value.isascii():
            raise ValueError("must be ASCII: write a host in Punycode, a path percent-encoded")
        if " " in value or not _is_host(parts.hostname, is_ip="[" in parts.netloc):
            raise ValueError("must be a URL with a valid host, and without spaces")
        if any(not 0 < len(label) < 64 for label in parts.hostname.rstrip(".").split(".")):
            raise ValueError("must have a host whose parts have 1 to 63 characters each")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("must have no user, password, query or fragment")
        return value.rstrip("/")

    @field_validator(
        "verifying_contract",
        "eas_contract",
        "model_registry",
        "retired_attestors",
        "mint_signers",
    )
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (value,) if isinstance(value, str) else value:
            if not is_address(address):
                raise ValueError(
                    f"{address!r} is not a valid Ethereum address: 0x and 40 hexadecimal digits"
                )
        return value

    @field_validator("key_pepper")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_PEPPER:
            raise ValueError(
                f"must have at least {MIN_PEPPER} characters; `openssl rand -hex 32` makes one"
            )
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise ValueError(f"{origin!r} is not a valid origin: write https://{origin}")
        return value

    @field_validator("witnesses")
    @classmethod
    def _witnesses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for witness in value:
            if re.fullmatch(r"[^\s+]+\+[0-9a-fA-F]{8}\+\S+ +https?://[^\s@?#]+", witness) is None:
                raise ValueError(
                    f"{witness!r} is not a witness: write its key NAME+ID+BASE64, a space, and its "
                    "URL"
                )
        return value

    @field_validator("database_url", "database_direct_url", "migration_database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        scheme, rest = value.get_secret_value().partition("://")[::2]
        if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
            raise ValueError("must be a postgresql:// URL")
        return SecretStr(f"postgresql+asyncpg://{rest}")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.get_secret_value())
        except ValueError:  # its message would show the password
            parts = urlsplit("")
        if parts.scheme not in ("redis", "rediss", "unix") or not (parts.hostname or parts.path):
            raise ValueError("must be a redis://, rediss:// or unix:// URL")
        return value

    @field_validator("rpc_url")
    @classmethod
    def _rpc(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.get_secret_value())
            _ = parts.port  # raises ValueError for an invalid port
        except ValueError:  # its message would show the key
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL with a host")
        return value

    @model_validator(mode="after")
    def _workers_share_counters(self) -> Self:
        if self.workers * self.replicas > 1 and self.redis_url is None:
            name = "WORKERS" if self.workers > 1 else "REPLICAS"
            raise ValueError(
                f"HOKUSAI_{name} > 1 needs HOKUSAI_REDIS_URL: without it each one counts alone"
            )
        return self

    @model_validator(mode="after")
    def _metrics_have_their_own_port(self) -> Self:
        if self.metrics_port is not None and self.metrics_port == self.port:
            raise ValueError("HOKUSAI_METRICS_PORT must be another port than HOKUSAI_PORT")
        return self

    @model_validator(mode="after")
    def _enough_signers(self) -> Self:
        known = 1 + len({address.lower() for address in self.mint_signers})
        if self.mint_signatures is not None and self.mint_signatures > known:
            raise ValueError(
                f"HOKUSAI_MINT_SIGNATURES is {self.mint_signatures}, and only {known} can sign: "
                "the gateway and the addresses in HOKUSAI_MINT_SIGNERS"
            )
        return self

    @property
    def risks(self) -> list[str]:
        """A warning for each setting that is valid, but endangers data if set by mistake."""
        found = []
        if self.tenancy == "shared":
            found.append(
                "HOKUSAI_TENANCY=shared: every tenant sees and changes all others' data in MLflow"
            )
        if self.registration_lease <= self.upstream_read_timeout:
            found.append(
                f"HOKUSAI_REGISTRATION_LEASE={self.registration_lease:g}: a registration may be "
                "resumed while MLflow still works on it; use more than "
                f"HOKUSAI_UPSTREAM_READ_TIMEOUT ({self.upstream_read_timeout:g})"
            )
        return found

    @property
    def is_local(self) -> bool:
        """Whether only browsers on this machine can reach the gateway, without a proxy."""
        return self.public_url is None and not self.trusted_proxies and _is_loopback(self.host)

    @cached_property
    def public_hosts(self) -> frozenset[str]:
        """The values of `host[:port]` that a SIWE message may name (ERC-4361); empty if unknown.

        They follow from HOKUSAI_PUBLIC_URL. Without it they are known only for a gateway that
        listens on a loopback address and has no proxy in front.
        """
        if self.public_url is not None:
            return frozenset({urlsplit(self.public_url).netloc})
        if not self.is_local:
            return frozenset()
        return frozenset({f"{name}:{self.port}" for name in ("localhost", "127.0.0.1", "[::1]")})


def _is_host(name: str, *, is_ip: bool) -> bool:
    """Whether the host of a URL can be connected to. is_ip: it is an address in brackets."""
    if not is_ip:
        return _HOST.fullmatch(name) is not None
    try:
        return ip_address(name).version == 6
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings() -> Settings:
    """The settings of the environment. Raises StartupError that names each invalid setting."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            # A problem of several settings has no place, and names them itself.
            f"HOKUSAI_{one.where.upper()}: {one.problem}" if one.where else one.problem
            for one in problems_with(Settings, error)
        ]
        raise StartupError("; ".join(lines)) from None
