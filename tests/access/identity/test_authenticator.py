"""API keys and tokens are authenticated by the database, its cache, and the client address."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import keys
from app.access.identity.authenticator import Authenticator
from app.access.identity.contract_wallets import ContractWallets
from app.access.identity.credential_cache import CredentialCache
from app.access.identity.credentials import KeyCredential, WalletCredential
from app.access.identity.key_format import new_key, new_token
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest
from app.core.errors import InvalidKeyError
from app.core.request.actor import CLI
from app.core.request.principal import WALLET_SCOPES
from app.core.settings import Settings
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"


def revoke(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set revoked_at = now() where id = %s", key_id)


def expire(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set expires_at = now() where id = %s", key_id)


def rotate(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set expires_at = now(), successor = id where id = %s", key_id)


def stored(gateway: RunningGateway, change: Callable[[RunningGateway, str], None]) -> str:
    """A key that was changed in the database before it was ever used."""
    tenant = f"changed by {change.__name__}"
    key = gateway.key(tenant)
    ((key_id,),) = sql(
        gateway, "select id from api_keys where tenant = %s and hint like %s", tenant,
        f"%{key[-11:-7]}",
    )  # fmt: skip
    change(gateway, key_id)
    return key


BAD: dict[str, tuple[str, Callable[[RunningGateway], dict[str, str]]]] = {
    "missing": ("credentials_missing", lambda _: {}),
    "no scheme": ("key_invalid", lambda _: {"Authorization": new_key()}),
    "unknown scheme": ("key_invalid", lambda _: {"Authorization": f"Token {new_key()}"}),
    "empty": ("key_invalid", lambda _: {"Authorization": "Bearer"}),
    "malformed": ("key_invalid", lambda _: {"Authorization": "Bearer sk-something"}),
    "mistyped": ("key_invalid", lambda g: {"X-API-Key": g.key()[:-1] + "#"}),
    "not ASCII": ("key_invalid", lambda _: {"X-API-Key": "hk_live_ключ"}),
    "bad base64": ("key_invalid", lambda _: {"Authorization": "Basic !!!"}),
    "unknown": ("key_invalid", lambda _: {"Authorization": f"Bearer {new_key()}"}),
    "mistyped token": ("token_invalid", lambda _: {"X-API-Key": new_token()[:-1] + "#"}),
    "unknown token": ("token_invalid", lambda _: {"Authorization": f"Bearer {new_token()}"}),
    "revoked": ("key_revoked", lambda g: {"X-API-Key": stored(g, revoke)}),
    "expired": ("key_expired", lambda g: {"X-API-Key": stored(g, expire)}),
    "rotated": ("key_rotated", lambda g: {"X-API-Key": stored(g, rotate)}),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_each_invalid_key_is_refused_with_its_own_reason(
    gateway: RunningGateway, kind: str, path: str
) -> None:
    reason, headers = BAD[kind]
    encoded = {name.encode(): value.encode() for name, value in headers(gateway).items()}
    with gateway.client() as client:
        answer = client.get(path, headers=encoded)
        problem = refused(answer, 401, reason)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert problem["error_code"] == "UNAUTHENTICATED"
    for value in headers(gateway).values():
        assert value not in answer.text


@pytest.fixture(scope="module")
def behind_proxy(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that trusts X-Forwarded-For of its only peer, loopback."""
    trusted = (ip_network("127.0.0.0/8"),)
    with RunningGateway(new_database(), mlflow_server.url, trusted_proxies=trusted) as running:
        yield running


def test_a_key_works_only_from_its_networks(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(allowed_networks=["127.0.0.0/8"])) as client:
        good(client.get(WHOAMI))
    with gateway.client(gateway.key(allowed_networks=["::ffff:127.0.0.0/104"])) as client:
        assert client.get(WHOAMI).status_code == 200
    # Written as a socket of both versions shows IPv4.
    with gateway.client(gateway.key(allowed_networks=["::ffff:127.0.0.0/104"])) as client:
        good(client.get(WHOAMI))
    with gateway.client(gateway.key(allowed_networks=["10.0.0.0/8", "::1/128"])) as client:
        problem = refused(client.get(WHOAMI), 403, "address_not_allowed")
        assert "127.0.0.1" in problem["message"]
        # The address is checked for a cached key too, and on every route.
        refused(client.get(WHOAMI), 403, "address_not_allowed")
        search = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
        refused(client.get(search), 403, "address_not_allowed")


def test_an_untrusted_peer_cannot_set_its_address(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(allowed_networks=["10.0.0.0/8"])) as client:
        answer = client.get(WHOAMI, headers={"X-Forwarded-For": "10.1.2.3"})
        refused(answer, 403, "address_not_allowed")


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("10.1.2.3", True),
        ("8.8.8.8, 10.1.2.3", True),
        ("10.1.2.3, 8.8.8.8", False),
        ("10.1.2.3, 127.0.0.9", True),
        ("10.1.2.3, nonsense", False),
        ("::ffff:10.1.2.3", True),
        ("8.8.8.8", False),
        (None, False),
    ],
)
def test_the_client_address_comes_from_a_trusted_proxy(
    behind_proxy: RunningGateway, forwarded: str | None, allowed: bool
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with behind_proxy.client(behind_proxy.key(allowed_networks=["10.0.0.0/8"])) as client:
        answer = client.get(WHOAMI, headers=headers)
        if allowed:
            good(answer)
        else:
            refused(answer, 403, "address_not_allowed")


# --- lookups ---

CLIENT = "192.0.2.1"


class CountingDatabase(Database):
    """A database that counts its transactions."""

    transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        self.transactions += 1
        async with super().transaction() as session:
            yield session


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[CountingDatabase]:
    opened = CountingDatabase(new_database(), connections=2)
    yield opened
    await opened.close()


class Setup:
    """An authenticator with an empty cache whose listener is connected."""

    def __init__(self, database: CountingDatabase) -> None:
        self.database = database
        self.peppers = Peppers((), b"pepper of the tests")
        self.cache = CredentialCache()
        self.cache.listening = True
        self.authenticator = Authenticator(
            Settings(), database, self.peppers, self.cache, ContractWallets(None)
        )

    async def new_key(self) -> KeyCredential:
        """A new key in the database; transactions are counted from here on."""
        request = AdminKeyRequest(name="n", tenant="acme")
        async with self.database.transaction() as session:
            _, secret = await keys.issue(session, self.peppers, request, CLI)
        self.database.transactions = 0
        return KeyCredential(secret)


@pytest.fixture
def setup(database: CountingDatabase) -> Setup:
    return Setup(database)


async def test_a_cached_key_needs_no_query(setup: Setup) -> None:
    key = await setup.new_key()
    digest = setup.authenticator.digest(key)
    assert setup.authenticator.authenticate_cached_key(digest, CLIENT) is None
    principal = await setup.authenticator.authenticate_key(key, CLIENT)
    assert (principal.tenant, setup.database.transactions) == ("acme", 1)
    assert await setup.authenticator.authenticate_key(key, CLIENT) is principal
    assert setup.authenticator.authenticate_cached_key(digest, CLIENT) is principal
    assert setup.database.transactions == 1


async def test_concurrent_lookups_of_a_key_share_one_query(setup: Setup) -> None:
    key = await setup.new_key()
    lookups = (setup.authenticator.authenticate_key(key, CLIENT) for _ in range(20))
    assert len({principal.id for principal in await asyncio.gather(*lookups)}) == 1
    assert setup.database.transactions == 1


async def test_a_lookup_from_before_an_invalidation_is_not_shared(setup: Setup) -> None:
    key = await setup.new_key()
    before = asyncio.ensure_future(setup.authenticator.authenticate_key(key, CLIENT))
    await asyncio.sleep(0)
    setup.cache.invalidate("another")
    await setup.authenticator.authenticate_key(key, CLIENT)
    await before
    assert setup.database.transactions == 2


async def test_a_cancelled_request_does_not_cancel_the_lookup_of_others(setup: Setup) -> None:
    key = await setup.new_key()
    first, second = (
        asyncio.ensure_future(setup.authenticator.authenticate_key(key, CLIENT)) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant == "acme"
    assert setup.database.transactions == 1


async def test_a_malformed_key_needs_no_query(setup: Setup) -> None:
    with pytest.raises(InvalidKeyError):
        await setup.authenticator.authenticate_key(KeyCredential("hk_live_mistyped"), CLIENT)
    assert setup.database.transactions == 0


async def test_a_wallet_is_the_principal_and_the_tenant_of_its_address(setup: Setup) -> None:
    wallet = Wallet()
    credential = WalletCredential(*wallet.headers().values())
    principal, proof = setup.authenticator.authenticate_wallet(credential)
    assert (principal.id, principal.tenant) == (wallet.principal, wallet.tenant)
    assert (principal.scopes, principal.credential) == (WALLET_SCOPES, "signature")
    assert proof.address == principal.address == wallet.address
