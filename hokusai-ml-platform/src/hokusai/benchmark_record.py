"""Whether a benchmark, its record and its entry in the log say the same."""

from __future__ import annotations

import hashlib
from typing import Any, Mapping

from hokusai.errors import ResponseError
from hokusai.verify.strict_json import equal_json, parse

# What a benchmark is: without one of these, a record would leave it open.
_STATED = frozenset(
    {"benchmark_id", "tenant", "name", "private", "label_commitment", "label_holder"}
    | {"dataset_hash", "dataset_version", "split", "rows", "min_examples"}
    | {"metric", "metric_family", "higher_is_better", "guardrails"}
)
# The gateway writes the time in a response otherwise than in the record.
_NOT_COMPARED = {"kind", "created_at"}


def check_record(found: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """Check that a benchmark is as its record says, and that the log has the record's hash.

    Whether the log has the entry is checked by `hokusai log`, and by witnesses.

    Args:
        found: A benchmark, as the gateway returned it.
        entry: The entry of the log at its `log_index`.

    Raises:
        ResponseError: They differ; the message says in what.
    """
    record, digest = found["record"], found["record_sha256"]
    problems = []
    if hashlib.sha256(record.encode()).hexdigest() != digest:
        problems.append(f"record_sha256 is {digest}, which is not the SHA-256 of the record")
    stated = parse(record)
    if not isinstance(stated, dict):
        raise ResponseError(f"Do not trust {found['benchmark_id']}: its record is not an object.")
    problems += [f"the record does not say {name}" for name in sorted(_STATED - set(stated))]
    problems += [
        f"{name} is not as the record says"
        for name in sorted(set(stated) - _NOT_COMPARED)
        if name not in found or not equal_json(stated[name], found[name])
    ]
    expected = {
        "kind": "benchmark",
        "subject": found["benchmark_id"],
        "record_sha256": digest,
    }
    problems += [
        f"entry {found['log_index']} of the log has another {name}"
        for name, value in expected.items()
        if entry.get(name) != value
    ]
    if problems:
        raise ResponseError(f"Do not trust {found['benchmark_id']}: {'; '.join(problems)}.")


__all__ = ["check_record"]
