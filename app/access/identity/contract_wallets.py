"""Wallets that are contracts: the chain says whether a signature is theirs.

A Safe, or another smart account, has no private key. Its contract says which signatures it accepts
(EIP-1271); one that is not deployed yet is simulated (ERC-6492). A call of the chain
takes long compared with recovering a signer, so its result is kept for a short time.
"""

import re
import time
from collections.abc import Callable

from app.access.identity.contract_signatures import MalformedSignatureError, call_for
from app.chain.node import EthereumNode, RevertedError
from app.core.errors import ContractWalletError, InvalidSignatureError, UnauthenticatedError
from app.core.ethereum import parse_wallet_signature, recover

# Bytes of the longest signature that is sent to a contract: several owners' signatures.
MAX_SIGNATURE = 4096
# Seconds for which a contract's response is used, and how many responses are kept.
LIFETIME = 60.0
CAPACITY = 10_000

_HEX = re.compile(r"(?:0x)?((?:[0-9A-Fa-f]{2})+)")
# Address (EIP-55), signed hash, signature as it was sent.
_Question = tuple[str, bytes, str]


class NotByKeyError(InvalidSignatureError):
    """No private key of the address has made the signature; a contract may accept it."""

    def __init__(self, message: str, address: str, digest: bytes, signature: str) -> None:
        """message: as for any InvalidSignatureError. address: EIP-55. digest: what was signed."""
        super().__init__(message)
        self.question: _Question = (address, digest, signature)


# Whether a contract is known to accept a signature: address, signed hash, signature as it was sent.
Accepts = Callable[[str, bytes, str], bool]


def nobody_accepts(address: str, digest: bytes, signature: str) -> bool:
    """For callers that do not ask contracts."""
    return False


def require_signature(
    address: str, digest: bytes, signature: str, accepts: Accepts, refusal: str
) -> None:
    """Raise NotByKeyError unless the address has signed a hash.

    address: EIP-55. signature: in hexadecimal. refusal: the message where it was another signer.
    """
    try:
        if recover(digest, parse_wallet_signature(signature)) == address:
            return
    except InvalidSignatureError as error:
        refusal = error.message
    if not accepts(address, digest, signature):
        raise NotByKeyError(refusal, address, digest, signature)


class ContractWallets:
    """Asks contracts about signatures. node: None where HOKUSAI_RPC_URL is not set."""

    def __init__(
        self, node: EthereumNode | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._node = node
        self._clock = clock
        self._responses: dict[_Question, tuple[bool, float]] = {}

    async def close(self) -> None:
        if self._node is not None:
            await self._node.close()

    @property
    def can_ask(self) -> bool:
        """Whether there is a node to ask."""
        return self._node is not None

    def accepts(self, address: str, digest: bytes, signature: str) -> bool:
        """Whether the contract at an address is known to accept a signature of a hash."""
        return self._known((address, digest, signature)) is True

    async def confirm(self, refused: NotByKeyError) -> None:
        """Ask the contract; on return `accepts` is true of the same signature.

        Raises InvalidSignatureError where the contract does not accept it, or there is no contract;
        ContractWalletError where no node is set; ChainUnavailableError where the node fails.
        """
        if self._node is None:
            raise self.refusal(refused)
        question = refused.question
        known = self._known(question)
        if known is None:
            known = await self._ask(self._node, question, refused)
            if len(self._responses) >= CAPACITY:
                del self._responses[next(iter(self._responses))]
            self._responses[question] = known, self._clock() + LIFETIME
        if not known:
            raise InvalidSignatureError(
                f"{refused.message} No contract at the address accepts the signature either "
                "(EIP-1271, ERC-6492)."
            )

    def refusal(self, refused: NotByKeyError) -> UnauthenticatedError:
        """The error where there is no node to ask."""
        advice = (
            "The signatures of contract wallets (EIP-1271, ERC-6492), such as a Safe, are verified "
            "only where the operator has set HOKUSAI_RPC_URL. Use a wallet with a private key, or "
            "an API key."
        )
        found = _HEX.fullmatch(refused.question[2])
        if found is not None and len(found[1]) > 2 * 65:
            return ContractWalletError(
                f"The signature has {len(found[1]) // 2} bytes, more than one of a private key. "
                + advice
            )
        return InvalidSignatureError(f"{refused.message} {advice}")

    def _known(self, question: _Question) -> bool | None:
        response = self._responses.get(question)
        if response is None or response[1] < self._clock():
            return None
        return response[0]

    async def _ask(self, node: EthereumNode, question: _Question, refused: NotByKeyError) -> bool:
        address, digest, signature = question
        found = _HEX.fullmatch(signature)
        if found is None or len(found[1]) > 2 * MAX_SIGNATURE:
            raise InvalidSignatureError(refused.message)
        try:
            call = call_for(address, digest, bytes.fromhex(found[1]))
        except MalformedSignatureError:
            raise InvalidSignatureError(
                "The signature ends as one of ERC-6492 does, and is not encoded as it says."
            ) from None
        try:
            return call.is_acceptance(await node.call(call.contract, call.data))
        except RevertedError:
            return False
