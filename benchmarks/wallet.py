"""Requests signed by a wallet, beside requests with an API key."""

import secrets
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from coincurve import PrivateKey
from eth_hash.auto import keccak

from app.core.ethereum import checksum_address, personal_digest
from benchmarks.load import HERE, POST, Script, Small, small_requests
from benchmarks.report import Table, Verdict, alternate, median_ratio
from benchmarks.stack import RUN, Stack

CONNECTIONS = 32
# More than a round uses: a signature is valid for one changing request only.
SIGNATURES = 60_000
LOG = "/api/2.0/mlflow/runs/log-metric"


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """Run `wallet-get`, which verifies signatures, and `wallet-post`, which also records them."""
    wallet = _Wallet(stack.directory / "signatures")
    for method, path, script in (("GET", RUN, None), ("POST", LOG, Script(POST))):
        load = partial(small_requests, stack.gateway, path, connections=CONNECTIONS)
        with_key = partial(load, script=script)
        signed = partial(wallet.measure, load, method)
        with_key(seconds=1)
        signed(1)
        measures = {
            "key": partial(with_key, seconds=options.seconds),
            "wallet": partial(signed, options.seconds),
        }
        title = f"wallet-{method.lower()}"
        rounds = alternate(title, options.rounds, measures)
        cpu = median_ratio(rounds, "cpu", "wallet", "key")
        verdicts = [Verdict("CPU of a signed request", cpu, "x one with a key", 3)]
        yield Table(title, rounds, "key", ("cpu", "rate"), verdicts if method == "GET" else ())


class _Wallet:
    def __init__(self, path: Path) -> None:
        self._key = PrivateKey(secrets.token_bytes(32))
        public = self._key.public_key.format(compressed=False)[1:]
        self._address = checksum_address(f"0x{keccak(public)[12:].hex()}")
        self._path = path

    def measure(self, load: Callable[..., Small], method: str, seconds: int) -> Small:
        """One round, with signatures that have not been used."""
        self._sign()
        script = Script(HERE / "signed.lua", (str(self._path), self._address, method))
        return load(seconds=seconds, script=script, headers={})

    def _sign(self) -> None:
        """Write recent messages, each with another microsecond, and their signatures."""
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._path.open("w") as file:
            for number in range(SIGNATURES):
                at = (now - timedelta(microseconds=number)).isoformat(timespec="microseconds")
                message = f"Hokusai API Access - {at}"
                raw = self._key.sign_recoverable(personal_digest(message.encode()), hasher=None)
                file.write(f"{message}\t0x{raw[:64].hex()}{27 + raw[64]:02x}\n")
