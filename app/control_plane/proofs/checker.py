"""Whether proofs hold, checked in processes of their own, one at a time."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import structlog

from app.control_plane.proofs.circuits import Circuit
from app.control_plane.proofs.schemas import ProofRequest
from app.core.errors import GatewayBusyError, ProofRefusedError

log = structlog.get_logger()

_SCRIPT = Path(__file__).with_name("pairing_check.py")
# As in the script, whose import would load py_ecc.
_REFUSED = 10
# Seconds for one proof, which takes one, on a busy machine.
TIMEOUT = 60
# Proofs that may wait for the one that is checked, with it: of one tenant, and of all.
MAX_OF_TENANT = 2
MAX_WAITING = 8


class ProofChecker:
    """Checks proofs off the event loop; one for the process."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        # By tenant, so that one cannot keep out the others.
        self._waiting: Counter[str] = Counter()

    async def require(self, tenant: str, circuit: Circuit, proof: ProofRequest) -> None:
        """Raises ProofRefusedError for a proof that does not hold, and GatewayBusyError."""
        is_full = self._waiting.total() >= MAX_WAITING
        if is_full or self._waiting[tenant] >= MAX_OF_TENANT:
            raise GatewayBusyError(
                "Other proofs are waiting to be checked. Try again in some seconds.", retry_after=10
            )
        self._waiting[tenant] += 1
        try:
            async with self._one_at_a_time:
                holds = await _holds(circuit, proof)
        finally:
            self._waiting[tenant] -= 1
            self._waiting += Counter()  # forgets tenants that have none
        if not holds:
            raise ProofRefusedError(
                "The proof does not hold for its public inputs. Make it again from the labels and "
                "predictions that were committed to."
            )


async def _holds(circuit: Circuit, proof: ProofRequest) -> bool:
    content = {"key": circuit.document, "public": proof.public, "proof": proof.proof.model_dump()}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # nothing from the environment, nor from this directory
            str(_SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
    except OSError as error:
        raise _failed(str(error)) from error
    try:
        async with asyncio.timeout(TIMEOUT):
            await process.communicate(json.dumps(content).encode())
    except TimeoutError:
        raise GatewayBusyError(
            f"The proof could not be checked within {TIMEOUT} seconds. Try again later.",
            retry_after=60,
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in (0, _REFUSED):
        raise _failed(f"it ended with {process.returncode}")
    return process.returncode == 0


def _failed(error: str) -> GatewayBusyError:
    """For a process that failed or was killed, such as by a machine without memory.

    Nothing is known of the proof then.
    """
    log.error("proofs.check_failed", error=error)
    return GatewayBusyError("The proof could not be checked. Try again later.", retry_after=60)
