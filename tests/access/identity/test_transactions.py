"""The transaction of a change consumes the wallet's message and invalidates cached keys."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import text

from app.access.identity.credential_cache import CHANGED, CredentialCache
from app.access.identity.transactions import ChangeTransactions
from app.core.errors import SpentSignatureError
from app.core.request.principal import Scope
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database, now
from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import wait_until_cached
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

WHOAMI = "/api/auth/whoami"


@pytest.mark.parametrize("ends", ["revocation", "rotation"])
def test_a_key_is_invalid_at_the_gateway_that_revoked_it_before_any_notification(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, ends: str
) -> None:
    with (
        patch.object(CredentialCache, "_on_notification", lambda *_: None),
        RunningGateway(new_database(), mlflow_server.url) as gateway,
        gateway.client(gateway.key()) as client,
        gateway.client(gateway.key(scopes=list(Scope))) as admin,
    ):
        wait_until_cached(gateway)
        own = good(client.get("/api/keys"))["items"][0]["id"]
        assert client.get(WHOAMI).status_code == 200
        if ends == "revocation":
            assert admin.delete(f"/api/admin/keys/{own}").status_code == 204
            refused(client.get(WHOAMI), 401, "key_revoked")
        else:
            good(client.post(f"/api/keys/{own}/rotate", json={"overlap_seconds": 0}), 201)
            refused(client.get(WHOAMI), 401, "key_rotated")


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[Database]:
    opened = Database(new_database(), connections=1)
    yield opened
    await opened.close()


def proof() -> WalletProof:
    return WalletProof("0x" + "12" * 20, bytes(32), now() + timedelta(minutes=5))


async def test_a_message_is_consumed_with_the_commit(database: Database) -> None:
    transactions = ChangeTransactions(database, CredentialCache())
    async with transactions(proof()) as session:
        assert await session.scalar(text("select count(*) from spent_signatures")) == 1
    with pytest.raises(SpentSignatureError):
        async with transactions(proof()):
            pass


async def test_a_failed_change_does_not_consume_its_message(database: Database) -> None:
    transactions = ChangeTransactions(database, CredentialCache())
    with pytest.raises(KeyError):
        async with transactions(proof()):
            raise KeyError
    async with transactions(proof()):
        pass


async def test_changed_credentials_are_removed_from_the_cache(database: Database) -> None:
    cache = CredentialCache()
    before = cache.generation
    async with ChangeTransactions(database, cache)(None) as session:
        session.info[CHANGED] = ["a", "b"]
        assert cache.generation == before
    assert cache.generation == before + 2
