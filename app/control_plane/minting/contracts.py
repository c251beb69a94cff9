"""The contracts DeltaVerifier and ModelRegistry, read through a node."""

from typing import Self

from app.chain.node import EthereumNode
from app.core.errors import ChainUnavailableError
from app.core.ethereum import checksum_address
from app.core.settings import Settings


class ContractReader:
    """A node and the addresses of both contracts: what their readers have in common.

    node: None where none is set. verifier, registry: the addresses of DeltaVerifier and
    ModelRegistry.
    """

    def __init__(self, node: EthereumNode | None, verifier: str, registry: str) -> None:
        self._node = node
        self._verifier = checksum_address(verifier)
        self._registry = checksum_address(registry)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """With the node of HOKUSAI_RPC_URL, if it is set."""
        return cls(
            EthereumNode.from_settings(settings),
            settings.verifying_contract,
            settings.model_registry,
        )

    async def close(self) -> None:
        if self._node is not None:
            await self._node.close()


def other_contract(contract: str, signature: str) -> ChainUnavailableError:
    """The error where a contract responds to a function as Hokusai's would not."""
    return ChainUnavailableError(
        f"The contract {contract} does not respond to {signature} as Hokusai's would. The "
        "operator has to check HOKUSAI_VERIFYING_CONTRACT and HOKUSAI_MODEL_REGISTRY."
    )
