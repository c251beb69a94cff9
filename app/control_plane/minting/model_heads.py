"""The DeltaVerifier contract: the weights that the chain has as a model's newest."""

from app.chain.abi import decode_bytes32, encode_call
from app.chain.node import EthereumNode, RevertedError
from app.control_plane.attestations import eas
from app.control_plane.minting.contracts import ContractReader, other_contract
from app.core.errors import OtherHeadError

_NONE = bytes(32)


class ModelHeads(ContractReader):
    """Compares baselines with the chain; without a node, nothing is compared."""

    @property
    def are_known(self) -> bool:
        """Whether there is a node to ask."""
        return self._node is not None

    async def require(self, number: int, baseline: str, candidate: str) -> None:
        """Check that the chain has the baseline's weights as the newest of a model.

        baseline, candidate: commitments, 0x and 64 hexadecimal digits in lower case. Must not run
        within a transaction of the database: a node may take seconds.

        Raises OtherHeadError where the chain has others, or none; and ChainUnavailableError.
        """
        if self._node is None:
            return
        head = await self._head(self._node, number)
        if head == _NONE:
            raise OtherHeadError(
                f"The chain has no weights for the model number {number}: neither currentModelHead "
                f"of {self._verifier} nor weightGenesis of {self._registry}. The registry's owner "
                "has to set the genesis first."
            )
        found = f"0x{head.hex()}"
        if found == baseline:
            return
        if found == candidate:
            raise OtherHeadError(
                f"The chain has the improved model's own weights {candidate} as the newest of the "
                f"model number {number}: this improvement was minted already."
            )
        raise OtherHeadError(
            f"The chain has the weights {found} as the newest of the model number {number}, and "
            f"the baseline has {baseline}. Register the improvement on the model that was minted "
            "last.",
            extra={"head": found, "baseline_commitment": baseline},
        )

    async def check_contracts(self) -> None:
        """Whether both contracts respond as Hokusai's would, if a DeltaVerifier is set.

        Raises ChainUnavailableError where they do not. Without a node there is nothing to check.
        """
        if self._node is None or self._verifier == eas.ZERO_ADDRESS:
            return
        await self._read(self._node, self._verifier, "currentModelHead(uint256)", 0)
        await self._read(self._node, self._registry, "weightGenesis(uint256)", 0)

    async def _head(self, node: EthereumNode, number: int) -> bytes:
        """As the contracts have it; zero where they have none."""
        head = await self._read(node, self._verifier, "currentModelHead(uint256)", number)
        if head != _NONE:
            return head
        return await self._read(node, self._registry, "weightGenesis(uint256)", number)

    async def _read(self, node: EthereumNode, contract: str, signature: str, number: int) -> bytes:
        try:
            return decode_bytes32(await node.call(contract, encode_call(signature, number)))
        except (RevertedError, ValueError):
            raise other_contract(contract, signature) from None
