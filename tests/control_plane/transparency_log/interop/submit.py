"""Sends a log's checkpoint to a witness with `aics_witness`: submit.py PREFIX URL KEY.

The proof is computed from the log's tiles. Prints the cosignature, which has been verified.
"""

import sys

import aics_tlog  # type: ignore[import-not-found]
from aics_witness.feeder import WitnessClient  # type: ignore[import-not-found]

prefix, url, key = sys.argv[1:]
reader = aics_tlog.HttpTileReader(prefix, proxies={})
note = reader.read_checkpoint()


def proof(old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` entries extends that of `old`."""
    found: list[bytes] = aics_tlog.consistency_proof_from_tiles(reader, old, new)
    return found


with WitnessClient(url, key, max_attempts=1) as client:
    print(client.submit(note, proof), end="")
