"""The attestors of the DeltaVerifier contract: who may sign mint requests, and how many have to."""

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from app.chain.abi import decode_bool, decode_uint, encode_call
from app.chain.node import EthereumNode, RevertedError
from app.core.errors import ChainUnavailableError
from app.core.ethereum import checksum_address
from app.core.settings import Settings

# For how many seconds a reading is used.
CACHE_SECONDS = 60.0
# For how many seconds after a failure `find` does not call the node.
PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RegisteredAttestors:
    """What the contract has. threshold: how many signatures it needs. addresses: in EIP-55 form."""

    threshold: int
    addresses: frozenset[str]


class AttestorRegistry:
    """Reads the contract; without a node, nothing is known.

    Single-flight, and cached for `CACHE_SECONDS`.

    verifier: the address of the contract DeltaVerifier. candidates: the addresses, in EIP-55 form,
    of which it is read whether they are attestors.
    """

    def __init__(
        self, node: EthereumNode | None, verifier: str, candidates: Collection[str]
    ) -> None:
        self._node = node
        self._verifier = checksum_address(verifier)
        self._candidates = sorted(candidates)
        self._task: asyncio.Task[RegisteredAttestors] | None = None
        self._read_at = self._failed_at = -math.inf

    @classmethod
    def from_settings(cls, settings: Settings, candidates: Collection[str]) -> Self:
        """With the node of HOKUSAI_RPC_URL, if it is set."""
        return cls(EthereumNode.from_settings(settings), settings.verifying_contract, candidates)

    @property
    def has_node(self) -> bool:
        """Whether there is a node to ask."""
        return self._node is not None

    async def read(self) -> RegisteredAttestors | None:
        """What the contract has; None without a node.

        Must not run within a transaction of the database: a node may take seconds. Raises
        ChainUnavailableError.
        """
        if self._node is None:
            return None
        task = self._task
        if task is None or (task.done() and not self._is_fresh(task)):
            task = self._task = asyncio.create_task(self._read(self._node))
            # Else asyncio would warn of a failure that all who waited for it have left.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: the caller that started the reading may leave while others wait for it.
        return await asyncio.shield(task)

    async def find(self) -> RegisteredAttestors | None:
        """The same for what is only shown: None where the node does not respond.

        After a failure the node is left alone for `PAUSE_SECONDS`, so that lists stay fast.
        """
        if time.monotonic() - self._failed_at < PAUSE_SECONDS:
            return None
        try:
            return await self.read()
        except ChainUnavailableError:
            self._failed_at = time.monotonic()
            return None

    async def close(self) -> None:
        if self._node is not None:
            await self._node.close()

    def _is_fresh(self, task: asyncio.Task[RegisteredAttestors]) -> bool:
        is_read = not task.cancelled() and task.exception() is None
        return is_read and time.monotonic() - self._read_at < CACHE_SECONDS

    async def _read(self, node: EthereumNode) -> RegisteredAttestors:
        try:
            threshold = decode_uint(
                await node.call(self._verifier, encode_call("attesterThreshold()"))
            )
            found = await asyncio.gather(
                *(self._is_attestor(node, one) for one in self._candidates)
            )
        except (RevertedError, ValueError):
            raise ChainUnavailableError(
                f"The contract {self._verifier} does not respond to attesterThreshold() and "
                "isAttester(address) as Hokusai's would. The operator has to check "
                "HOKUSAI_VERIFYING_CONTRACT."
            ) from None
        self._read_at, self._failed_at = time.monotonic(), -math.inf
        pairs = zip(self._candidates, found, strict=True)
        return RegisteredAttestors(threshold, frozenset(one for one, is_one in pairs if is_one))

    async def _is_attestor(self, node: EthereumNode, address: str) -> bool:
        call = encode_call("isAttester(address)", int(address, 16))
        return decode_bool(await node.call(self._verifier, call))
