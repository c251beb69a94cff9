"""Who holds a key sees when it ends: in whoami, and in a header from two weeks before."""

from datetime import datetime, timedelta

import pytest

from app.access.identity.authenticator import EXPIRY_NOTICE, expiry_notice
from app.database.engine import now
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
HEADER = "X-Hokusai-Key-Expires"


@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_a_key_that_ends_soon_says_so_in_every_response(gateway: RunningGateway, path: str) -> None:
    with gateway.client(gateway.key(expires_in_days=13)) as soon:
        end = datetime.fromisoformat(good(soon.get(WHOAMI))["expires_at"])
        for _ in range(3):  # the first takes the ASGI path, a later one the fast path
            answer = soon.get(path)
            good(answer)
            assert datetime.fromisoformat(answer.headers[HEADER]) == end.replace(microsecond=0)
        assert HEADER in soon.get("/api/models/unknown").headers
    for days in (15, None):
        with gateway.client(gateway.key(expires_in_days=days)) as later:
            assert HEADER not in later.get(path).headers
            assert (good(later.get(WHOAMI))["expires_at"] is None) == (days is None)


def test_a_token_has_an_end_and_a_signature_has_none(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client() as client:
        answer = client.get(WHOAMI, headers=wallet.headers())
        assert good(answer)["expires_at"] is None
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)
    with gateway.client(token["access_token"]) as client:
        answer = client.get(WHOAMI)
        left = datetime.fromisoformat(good(answer)["expires_at"]) - now()
        assert timedelta(0) < left <= timedelta(seconds=token["expires_in"])
        assert HEADER not in answer.headers


def test_the_notice_begins_two_weeks_before_the_end() -> None:
    at = datetime.fromisoformat("2026-03-01T12:00:00+01:00")
    assert expiry_notice(None, at) is None
    assert expiry_notice(at + EXPIRY_NOTICE + timedelta(seconds=1), at) is None
    assert expiry_notice(at + EXPIRY_NOTICE, at) == b"2026-03-15T11:00:00Z"
