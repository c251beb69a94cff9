"""The keys of envelopes: what is published of them after the attestor's key has changed."""

from collections.abc import Callable

from hokusai.verify import Result, verify

from app.standalone.mlflow import ChildMLflow
from tests.control_plane.envelopes.test_bundle import bundle_of
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training


def test_a_retired_key_stays_published_and_what_it_signed_valid(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    database, url = new_database(), mlflow_server.url
    with RunningGateway(database, url) as first, first.client(first.key()) as client:
        document = Training(client).improvement(private=False)
        bundle = good(bundle_of(client, document["hash"]))
        before = good(client.get("/.well-known/hokusai-attestor.json"))
    old = before["envelopes"]["key"]
    assert before["envelopes"] == {"key": old, "keys": [old]}
    changed = {"attestor_key": "b8" * 32, "retired_attestors": (before["signer"],)}
    with RunningGateway(database, url, **changed) as second, second.client(second.key()) as client:
        known = good(client.get("/.well-known/hokusai-attestor.json"))
        new = known["envelopes"]["key"]
        assert known["envelopes"] == {"key": new, "keys": [new, old]}
        assert client.get("/.well-known/hokusai.pub").text == new
        # The gateway no longer has the old secret, so the new key signs from now on.
        again = good(bundle_of(client, document["hash"]))
    for one, keys in ((bundle, old), (again, new)):
        assert verify(document, known=known, bundle=one)["bundle"].result is Result.HOLDS
        trusted = verify(document, envelope_keys=keys, bundle=one)["bundle"]
        assert trusted.result is Result.HOLDS
    assert verify(document, envelope_keys=old, bundle=again)["bundle"].result is Result.FAILS
