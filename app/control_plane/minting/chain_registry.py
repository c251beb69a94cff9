"""The ModelRegistry contract: which token belongs to a model number on the chain."""

from dataclasses import dataclass
from typing import Self

from app.chain.abi import decode_address, decode_bool, decode_string, encode_call
from app.chain.node import EthereumNode, RevertedError
from app.core.errors import ChainUnavailableError, ConflictError
from app.core.ethereum import checksum_address
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class ChainToken:
    """A token on the chain. address: in EIP-55 form. symbol: of its ERC-20 contract."""

    address: str
    symbol: str


class ChainRegistry:
    """Reads the contract; without a node, nothing is checked."""

    def __init__(self, node: EthereumNode | None, contract: str) -> None:
        self._node = node
        self._contract = checksum_address(contract)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """With the node of HOKUSAI_RPC_URL, if it is set."""
        return cls(EthereumNode.from_settings(settings), settings.model_registry)

    async def check(self, symbol: str, number: int) -> ChainToken | None:
        """The token of a model number, if it is the one of a token id; None without a node.

        symbol: the token id in upper case.

        Raises ConflictError where the chain's registry has no such number, has deactivated it, or
        has it for a token with another symbol, and ChainUnavailableError.
        """
        if self._node is None:
            return None
        try:
            token = await self._token(self._node, number)
        except (RevertedError, ValueError):
            raise _not_a_registry(self._contract) from None
        if token is None:
            raise ConflictError(
                f"The chain's registry {self._contract} has no model with the number {number}."
            )
        # Some other letters have those of ASCII as their capitals.
        if not token.symbol.isascii() or token.symbol.upper() != symbol:
            raise ConflictError(
                f"On the chain, the model number {number} belongs to the token "
                f"{token.symbol[:100]!r} ({token.address}), and not to {symbol!r}."
            )
        return token

    async def close(self) -> None:
        if self._node is not None:
            await self._node.close()

    async def _token(self, node: EthereumNode, number: int) -> ChainToken | None:
        """Raises RevertedError, ValueError where a result is of another type, and ConflictError."""
        is_registered = encode_call("isRegistered(uint256)", number)
        if not decode_bool(await node.call(self._contract, is_registered)):
            return None
        if not await self._is_active(node, number):
            raise ConflictError(
                f"The chain's registry {self._contract} has deactivated the model {number}, so it "
                "mints nothing."
            )
        address = decode_address(
            await node.call(self._contract, encode_call("getToken(uint256)", number))
        )
        symbol = decode_string(await node.call(address, encode_call("symbol()")))
        return ChainToken(address, symbol)

    async def _is_active(self, node: EthereumNode, number: int) -> bool:
        call = encode_call("isModelActive(uint256)", number)
        try:
            return decode_bool(await node.call(self._contract, call))
        except RevertedError:
            # Earlier versions of the contract have no such function, and deactivate nothing.
            return True

    async def check_contract(self) -> None:
        """Whether the node responds, is on the right chain, and has the contract.

        Raises ChainUnavailableError where it does not. Without a node there is nothing to check.
        """
        if self._node is None:
            return
        try:
            decode_bool(
                await self._node.call(self._contract, encode_call("isRegistered(uint256)", 0))
            )
        except (RevertedError, ValueError):
            raise _not_a_registry(self._contract) from None


def _not_a_registry(contract: str) -> ChainUnavailableError:
    return ChainUnavailableError(
        f"The contract {contract} does not respond as a ModelRegistry and its token would. The "
        "operator has to check HOKUSAI_MODEL_REGISTRY."
    )
