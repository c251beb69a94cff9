"""Reads a log with `aics_tlog`: read_log.py PREFIX KEY [WITNESS KEY ...].

Every tile and every bundle of entries is checked against the signed checkpoint. Prints as JSON the
size, the root, the entries, a proof for each of some entries, and the witnesses that cosigned.
"""

import json
import sys

import aics_tlog  # type: ignore[import-not-found]
from aics_tlog import HttpTileReader, parse_note, parse_vkey, verify_checkpoint

prefix, key, *witnesses = sys.argv[1:]
reader = HttpTileReader(prefix, proxies={})
result = verify_checkpoint(
    parse_note(reader.read_checkpoint()),
    parse_vkey(key),
    [parse_vkey(witness) for witness in witnesses],
    quorum=len(witnesses),
)
assert result.ok, result.error
size, root = result.size, result.root
audit = aics_tlog.audit_tiles(reader, size, root)
proven = aics_tlog.VerifiedTileReader(reader, size, root)
samples = sorted({0, size // 2, size - 1}) if size else []
print(
    json.dumps(
        {
            "size": size,
            "root": root.hex(),
            "tiles": audit.tiles,
            "bundles": audit.bundles,
            "entries": [proven.entry(index).decode() for index in range(size)],
            "inclusion": {
                index: [
                    one.hex() for one in aics_tlog.inclusion_proof_from_tiles(proven, index, size)
                ]
                for index in samples
            },
            "witnesses": result.witnesses,
        }
    )
)
