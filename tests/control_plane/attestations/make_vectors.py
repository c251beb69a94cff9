"""Makes the test vectors that the gateway and the SDK share; docs/decisions/0011 says why.

    python -m tests.control_plane.attestations.make_vectors

The file is never made again for a change that breaks it, since issued attestations have to stay
valid. A new form of attestation gets a new file beside it.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from app.database.migrate import migrate
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training
from tests.support.transparency_log import NOTE

VECTORS = Path(__file__).parents[3] / "hokusai-ml-platform" / "tests" / "vectors"
PATH = VECTORS / "attestations_v1.json"

OTHER = "0x" + "11" * 20
# A member, its changed value, and a check that has to fail then, in the gateway and in the SDK.
TAMPERED: list[tuple[str, Any, str]] = [
    ("hash", "0" * 64, "hash"),
    ("bytes", "{}", "hash"),
    ("kind", "claimed", "hash"),
    ("data.metrics.accuracy", 0.99, "hash"),
    ("data.contributors", [], "hash"),
    ("data.timestamp", "2020-01-01T00:00:00+00:00", "hash"),
    ("signature", None, "signature"),
    ("signature.signature", "0x" + "11" * 65, "signature"),
    ("signature.signature", "0x", "signature"),
    ("signature.signer", OTHER, "signature"),
    ("signature.primaryType", "Permit", "signature"),
    ("signature.types", {}, "signature"),
    ("signature.domain.name", "Permit", "signature"),
    ("signature.domain.version", "2", "signature"),
    ("signature.domain.chainId", 5, "signature"),
    ("signature.domain.chainId", "1", "signature"),
    ("signature.domain.verifyingContract", OTHER, "signature"),
    ("signature.message.attestationHash", "0x" + "00" * 32, "signature"),
    ("signature.message.kind", "claimed", "signature"),
    ("signature.message.issuedAt", 1, "signature"),
    ("signature.message.nonce", 10**6, "signature"),
    ("log", 7, "inclusion"),
    ("log.index", 1, "inclusion"),
    ("log.tree_size", 10**6, "inclusion"),
    ("log.proof", ["00" * 32], "inclusion"),
    ("log.entry", "{}", "inclusion"),
    ("log.checkpoint", "nothing", "inclusion"),
    ("eas.signer", OTHER, "eas"),
    ("eas.sig.uid", "0x" + "00" * 32, "eas"),
    ("eas.sig.primaryType", "Permit", "eas"),
    ("eas.sig.types", {}, "eas"),
    ("eas.sig.domain.name", "Permit", "eas"),
    ("eas.sig.domain.version", "9.9.9", "eas"),
    ("eas.sig.domain.chainId", 5, "eas"),
    ("eas.sig.domain.verifyingContract", OTHER, "eas"),
    ("eas.sig.message.version", 1, "eas"),
    ("eas.sig.message.schema", "0x" + "00" * 32, "eas"),
    ("eas.sig.message.recipient", OTHER, "eas"),
    ("eas.sig.message.time", 1, "eas"),
    ("eas.sig.message.expirationTime", 1, "eas"),
    ("eas.sig.message.revocable", False, "eas"),
    ("eas.sig.message.refUID", "0x" + "22" * 32, "eas"),
    ("eas.sig.message.data", "0x00", "eas"),
    ("eas.sig.message.salt", "0x" + "00" * 32, "eas"),
    ("eas.sig.signature.r", "0x" + "00" * 32, "eas"),
    ("eas.sig.signature.s", "0x" + "00" * 32, "eas"),
    ("eas.sig.signature.v", 27.5, "eas"),
]


def _vectors(gateway: RunningGateway) -> dict[str, Any]:
    with gateway.client(gateway.key("trainer")) as client:
        trainer = Training(client)
        witnessed = trainer.improvement()["hash"]
        early = client.get("/api/attestations/log", headers=NOTE).text
        leaked = trainer.improvement(before=0.2, after=0.15, metric="error_rate")
        good(
            client.post(f"/api/attestations/{leaked['hash']}/revoke", json={"reason": "It leaked."})
        )
        one = good(trainer.attest(improved_run_id=trainer.run(accuracy=0.7, rmse=1e-7)), 201)[
            "hash"
        ]
        claimed = good(
            trainer.attest(
                kind="claimed",
                metrics={"baseline": {"accuracy": 0.5}, "improved": {"accuracy": 1.0}},
                data_contribution=[
                    {"contributor": CONTRIBUTOR, "weight_bps": 9999, "note": "ünïcode"},
                    {"contributor": OTHER, "weight_bps": 1},
                ],
            ),
            201,
        )["hash"]
        log = good(client.get("/api/attestations/log", headers={"Accept": "application/json"}))
        size = log["tree_size"]
        return {
            "known": good(client.get("/.well-known/hokusai-attestor.json")),
            "attestations": {
                name: good(client.get(f"/api/attestations/{digest}"))
                for name, digest in (
                    ("improvement", witnessed),
                    ("one_model", one),
                    ("claimed", claimed),
                )
            },
            "revoked_later": leaked,
            "early_checkpoint": early,
            "checkpoint": log["checkpoint"],
            "consistency": good(
                client.get("/api/attestations/log/proof", params={"first": 1, "second": size})
            ),
            "log_pages": [
                good(
                    client.get("/api/attestations/log/entries", params={"start": start, "limit": 2})
                )
                for start in range(0, size, 2)
            ],
            "tampered": [
                {"path": path, "value": value, "fails": fails} for path, value, fails in TAMPERED
            ],
        }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with EmbeddedPostgreSQL(directory / "postgres", durable=False) as postgres:
            for database in ("gateway", "mlflow"):
                postgres.create_database(database)
            migrate(postgres.url("gateway"))
            with (
                ChildMLflow(directory / "mlflow", postgres.url("mlflow"), tcp=True) as server,
                RunningGateway(postgres.url("gateway"), server.url) as gateway,
            ):
                vectors = _vectors(gateway)
    PATH.write_text(json.dumps(vectors, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
