"""Verifying attestations offline: from the document itself, and from keys that the caller trusts.

    from hokusai.verify import verify_file

    report = verify_file("attestation.json", attestors="0x...")
    if not report.ok:
        for check in report.checks:
            print(check.name, check.result, check.detail)

The gateway's docs/attestations.md says what each check proves, and what none of them proves.
"""

from hokusai.errors import DocumentError
from hokusai.verify.attestation import verify, verify_file, verify_model_signature
from hokusai.verify.log_export import LogExport
from hokusai.verify.report import Check, Report, Result

__all__ = [
    "Check",
    "DocumentError",
    "LogExport",
    "Report",
    "Result",
    "verify",
    "verify_file",
    "verify_model_signature",
]
