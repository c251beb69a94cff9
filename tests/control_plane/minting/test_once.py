"""One improvement is minted once, whatever was attested, registered or requested how often."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import RunningGateway
from tests.support.minting import ROWS, TokenMarket, attest, counts, mint, witness
from tests.support.model_files import listed
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.wallet import Wallet


def rows(gateway: RunningGateway, model_id: str) -> list[tuple[Any, ...]]:
    return sql(gateway, "select digest from mint_requests where model_id = %s", model_id)


def expire(gateway: RunningGateway, model_id: str) -> None:
    statement = "update mint_requests set deadline = now() - interval '1 hour' where model_id = %s"
    sql(gateway, statement, model_id)


def signed(market: TokenMarket, model_id: str) -> list[dict[str, Any]]:
    tenant = market.holder.tenant
    query: dict[str, Any] = {"action": "mint_request.signed", "tenant": tenant, "limit": 1000}
    items = good(market.admin.get("/api/admin/audit", params=query))["items"]
    return [event for event in items if event["details"]["model_id"] == model_id]


def test_three_attestations_of_one_improvement_get_one_mint_request(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    model_id = market.improve(market.holder)["model_id"]
    attestations = [attest(market.holder, model_id) for _ in range(3)]
    assert len({document["hash"] for document in attestations}) == 3
    found = [good(mint(market.holder, document)) for document in attestations]
    assert found[0] == found[1] == found[2]
    assert found[0]["attestation"] == attestations[0]["hash"]
    assert rows(gateway, model_id) == [(found[0]["digest"],)]
    # What was signed, and how often, is in the audit log.
    (event,) = signed(market, model_id)
    assert event["subject"] == attestations[0]["hash"]
    assert event["details"]["digest"] == found[0]["digest"]
    assert event["details"]["message"] == found[0]["typed_data"]["message"]
    assert event["details"]["signer"] == found[0]["signers"][0]


def test_parallel_requests_get_one_mint_request(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    model_id = market.improve(market.holder)["model_id"]
    attestations = [attest(market.holder, model_id) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda one: mint(market.holder, one), [*attestations] * 8))
    digests = {good(response)["digest"] for response in responses}
    assert len(digests) == 1
    assert rows(gateway, model_id) == [(digests.pop(),)]
    assert len(signed(market, model_id)) == 1


def test_a_run_that_is_registered_twice_is_one_candidate(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    run_id = market.holder.run(accuracy=0.9)
    first, second = (
        market.improve(market.holder, run_id=run_id, name=name) for name in ("one", "two")
    )
    minted = good(mint(market.holder, attest(market.holder, first["model_id"])))
    again = good(mint(market.holder, attest(market.holder, second["model_id"])))
    assert again["digest"] == minted["digest"]
    assert again["model_id"] == first["model_id"]
    # Also not as an improvement on another model.
    other = market.tokenize(market.holder, 0.5)
    third = market.improve(
        market.holder, run_id=run_id, name="three", baseline_model_id=other["model_id"]
    )
    problem = refused(
        mint(market.holder, attest(market.holder, third["model_id"])), 409, "not_mintable"
    )
    assert first["model_id"] in problem["message"]


def test_one_run_is_minted_once_whatever_files_it_has_later(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    run_id = market.holder.run(accuracy=0.9)
    first, second = (
        market.improve(market.holder, run_id=run_id, name=name) for name in ("one", "two")
    )
    good(mint(market.holder, attest(market.holder, first["model_id"])))
    witness(gateway, second, content="other weights, uploaded since")
    expire(gateway, first["model_id"])
    problem = refused(
        mint(market.holder, attest(market.holder, second["model_id"])), 409, "not_mintable"
    )
    assert first["model_id"] in problem["message"]


def another_metric(market: TokenMarket, run_id: str) -> dict[str, Any]:
    """An attestation of a run as an improvement by recall, of another token of the same holder."""
    holder, metric = market.holder, "recall"
    token_id = f"{market.token_id}-{secrets.token_hex(3)}"
    root = holder.registered(
        "tokenized",
        model_uri=f"runs:/{holder.run(recall=0.85)}/model",
        model_name=token_id,
        token_id=token_id,
        metric_name=metric,
        baseline_value=0.5,
    )
    benchmark = {
        "name": "by recall",
        "dataset_hash": "ef" * 32,
        "dataset_version": "1",
        "rows": ROWS,
        "metric": metric,
        "label_commitment": f"{secrets.randbits(250) + 1:064x}",
    }
    made = good(holder.client.post("/api/benchmarks", json=benchmark), 201)
    improved = holder.registered(
        "improved",
        run_id=run_id,
        name=token_id.lower(),
        baseline_model_id=root["model_id"],
        contributor_address=CONTRIBUTOR,
        benchmark_id=made["benchmark_id"],
        evaluation={"baseline": counts(0.85), "improved": counts(0.9)},
    )
    for model in (root, improved):
        witness(market.gateway, model)
    good(market.bind(str(secrets.randbits(60) + 1), token_id))
    return attest(holder, improved["model_id"])


def test_one_candidate_is_minted_by_one_metric(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    run_id = market.holder.run(accuracy=0.88, recall=0.9)
    first = market.improve(market.holder, run_id=run_id)
    documents = [attest(market.holder, first["model_id"]), another_metric(market, run_id)]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda one: mint(market.holder, one), documents * 4))
    signed_messages = [good(one) for one in responses if one.status_code == 200]
    assert len({one["digest"] for one in signed_messages}) == 1
    for response in responses:
        if response.status_code != 200:
            refused(response, 409, "not_mintable")
    assert {response.status_code for response in responses} == {200, 409}


def test_the_same_files_of_another_run_are_minted_once(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    first, copied = (market.improve(market.holder, 0.9, name=name) for name in ("one", "two"))
    good(mint(market.holder, attest(market.holder, first["model_id"])))
    witness(gateway, copied, content=f"weights of {first['run_id']}")
    problem = refused(
        mint(market.holder, attest(market.holder, copied["model_id"])), 409, "not_mintable"
    )
    assert first["model_id"] in problem["message"]
    # Nor where another row has the run, and another one the files.
    other = market.improve(market.holder, 0.91)
    good(mint(market.holder, attest(market.holder, other["model_id"])))
    both = market.improve(market.holder, run_id=other["run_id"], name="three")
    witness(gateway, both, content=f"weights of {first['run_id']}")
    refused(mint(market.holder, attest(market.holder, both["model_id"])), 409, "not_mintable")


def test_a_copy_of_what_another_tenant_registered_before_mints_nothing(
    gateway: RunningGateway, market: TokenMarket, improver: Training
) -> None:
    """Not even for the holder of another token, so that the trainer can mint it afterwards."""
    trained = market.improve(improver)
    with TokenMarket(gateway) as other:
        copied = other.improve(other.holder)
        witness(gateway, copied, content=f"weights of {trained['run_id']}")
        document = attest(other.holder, copied["model_id"])
        problem = refused(mint(other.holder, document), 409, "not_mintable")
        assert trained["model_id"] not in problem["message"]
        good(market.approve(model_id=trained["model_id"]), 201)
        good(mint(improver, attest(improver, trained["model_id"])))
        # Who withdraws a registration leaves the files to others.
        again = other.improve(other.holder)
        mistaken = market.improve(improver, baseline_model_id=trained["model_id"], value=0.9)
        later = other.improve(other.holder, baseline_model_id=again["model_id"], value=0.9)
        witness(gateway, later, content=f"weights of {mistaken['run_id']}")
        path = f"/api/models/{mistaken['model_id']}/withdraw"
        good(improver.client.post(path, json={"reason": "registered by mistake"}))
        good(mint(other.holder, attest(other.holder, later["model_id"])))


def test_a_corrected_registration_keeps_its_files(
    gateway: RunningGateway, market: TokenMarket, improver: Training
) -> None:
    """Who has copied them meanwhile does not become the first that had them."""
    run_id = improver.run(accuracy=0.88)
    wrong = market.improve(improver, run_id=run_id)
    with TokenMarket(gateway) as other:
        copied = other.improve(other.holder)
        witness(gateway, copied, content=f"weights of {run_id}")
        path = f"/api/models/{wrong['model_id']}/withdraw"
        good(improver.client.post(path, json={"reason": "wrong contributor"}))
        right = market.improve(improver, run_id=run_id)
        refused(mint(other.holder, attest(other.holder, copied["model_id"])), 409, "not_mintable")
        good(market.approve(model_id=right["model_id"]), 201)
        good(mint(improver, attest(improver, right["model_id"])))


def test_files_that_were_uploaded_after_the_registration_are_not_older_than_they_are(
    gateway: RunningGateway, market: TokenMarket, improver: Training
) -> None:
    """A registration whose files are read late does not take those that others had before."""
    with TokenMarket(gateway) as other:
        early = other.improve(other.holder)
        trained = market.improve(improver)
        witness(gateway, early, content=f"weights of {trained['run_id']}")
        refused(mint(other.holder, attest(other.holder, early["model_id"])), 409, "not_mintable")
        good(market.approve(model_id=trained["model_id"]), 201)
        good(mint(improver, attest(improver, trained["model_id"])))


def test_files_that_were_listed_are_as_old_as_the_registration(
    gateway: RunningGateway, market: TokenMarket, improver: Training
) -> None:
    """Also where the gateway reads another tenant's copy of them first."""
    run_id = improver.run(accuracy=0.88)
    content = f"weights of {run_id}"
    files = listed({"MLmodel": b"flavors: {}\n", "model.bin": content.encode()})
    trained = market.improve(improver, run_id=run_id, files=files)
    with TokenMarket(gateway) as other:
        copied = other.improve(other.holder)
        witness(gateway, copied, content=content)
        witness(gateway, trained, content=content)
        refused(mint(other.holder, attest(other.holder, copied["model_id"])), 409, "not_mintable")
        good(market.approve(model_id=trained["model_id"]), 201)
        good(mint(improver, attest(improver, trained["model_id"])))


def test_the_attestation_that_was_named_first_is_named_again(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    """The idempotency key follows from it, as the platform's does."""
    model_id = market.improve(market.holder)["model_id"]
    first, second = (attest(market.holder, model_id) for _ in range(2))
    good(mint(market.holder, first))
    expire(gateway, model_id)
    anchors = good(mint(market.holder, second))["typed_data"]["message"]["payload"]["anchors"]
    assert anchors["attestationHash"] == f"0x{first['hash']}"
    key = sha256(f"{market.number}:{first['hash']}".encode()).hexdigest()
    assert anchors["idempotencyKey"] == f"0x{key}"


def test_one_improvement_is_minted_for_one_model_number(gateway: RunningGateway) -> None:
    with TokenMarket(gateway) as market:
        document = market.attested(market.holder)
        good(mint(market.holder, document))
        assert market.number != "8"
        good(market.bind("8"))
        problem = refused(mint(market.holder, document), 409, "not_mintable")
        assert market.number in problem["message"]
        # Another improvement gets the new number.
        message = good(mint(market.holder, market.attested(market.holder, 0.9)))["typed_data"]
        assert message["message"]["modelId"] == "8"
        path = f"/api/admin/tokens/{market.token_id}/model-number"
        assert market.admin.delete(path).status_code == 204


def test_a_new_one_is_signed_only_after_the_deadline_and_under_the_same_key(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    document = market.attested(market.holder)
    model_id = document["data"]["model_id"]
    first = good(mint(market.holder, document))
    expire(gateway, model_id)
    second = good(mint(market.holder, document))
    assert second["signed_at"] > first["signed_at"]
    assert second["deadline"] >= first["deadline"]
    keys = {
        one["typed_data"]["message"]["payload"]["anchors"]["idempotencyKey"]
        for one in (first, second)
    }
    assert len(keys) == 1
    assert rows(gateway, model_id) == [(second["digest"],)]
    assert len(signed(market, model_id)) == 2


def test_a_request_that_names_a_revoked_attestation_is_not_given_out_again(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    model_id = market.improve(market.holder)["model_id"]
    wrong, right = (attest(market.holder, model_id) for _ in range(2))
    good(mint(market.holder, wrong))
    path = f"/api/attestations/{wrong['hash']}/revoke"
    good(market.holder.client.post(path, json={"reason": "wrong test set"}))
    problem = refused(mint(market.holder, right), 409, "not_mintable")
    assert wrong["hash"] in problem["message"]
    expire(gateway, model_id)
    later = good(mint(market.holder, right))
    assert later["attestation"] == right["hash"]
    # The key stays, so that no contract accepts both.
    anchors = later["typed_data"]["message"]["payload"]["anchors"]
    key = sha256(f"{market.number}:{wrong['hash']}".encode()).hexdigest()
    assert anchors["idempotencyKey"] == f"0x{key}"


def test_a_wallets_message_is_spent_by_a_mint_request(
    gateway: RunningGateway, improver: Training
) -> None:
    wallet = Wallet()
    with TokenMarket(gateway) as market, gateway.client() as client:
        token = good(client.post("/api/auth/token", headers=wallet.headers()), 201)["access_token"]
        with gateway.client(token) as signed_in:
            document = market.attested(Training(signed_in, wallet.tenant))
        good(market.approve(model_id=document["data"]["model_id"]), 201)
        headers = wallet.headers()
        path = f"/api/attestations/{document['hash']}/mint-request"
        good(client.post(path, headers=headers))
        refused(client.post(path, headers=headers), 401, "signature_spent")


def test_a_run_that_is_registered_anew_gets_no_signature_for_its_former_contributors(
    gateway: RunningGateway, market: TokenMarket
) -> None:
    holder = market.holder
    run_id = holder.run(accuracy=0.9)
    wrong = market.improve(holder, run_id=run_id)
    minted = good(mint(holder, attest(holder, wrong["model_id"])))
    path = f"/api/models/{wrong['model_id']}/withdraw"
    good(holder.client.post(path, json={"reason": "wrong contributor"}))
    giver = "0x" + "5b" * 20
    right = market.improve(holder, run_id=run_id, data_contribution={"contributor": giver})
    document = attest(holder, right["model_id"])
    problem = refused(mint(holder, document), 409, "not_mintable")
    assert minted["deadline"][:19] in problem["message"]
    expire(gateway, wrong["model_id"])
    message = good(mint(holder, document))["typed_data"]["message"]
    assert [one["walletAddress"].lower() for one in message["contributors"]] == [giver]
