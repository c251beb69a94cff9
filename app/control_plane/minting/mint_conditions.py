"""The DeltaVerifier contract: whether it would mint at this moment, beside what is signed."""

from collections.abc import Mapping
from typing import Any

from app.chain.abi import decode_bool, decode_uint, encode_call
from app.chain.node import RevertedError
from app.control_plane.contributors.shares import WHOLE
from app.control_plane.minting.contracts import ContractReader, other_contract
from app.core.errors import ContractRefusesError


class MintConditions(ContractReader):
    """Reads the contracts; without a node, nothing is known, and nothing refused.

    Nothing is cached: each condition ends with one transaction of the contract's owner or of a
    mint, after which a reading of before would refuse wrongly.
    """

    async def require(self, number: int, payload: Mapping[str, Any]) -> None:
        """Check that the contract would mint for a mint request.

        Functions that the contract does not have are left out. Must not run within a transaction
        of the database: a node may take seconds.

        number: of the model. payload: the member `payload` of the message.

        Raises ContractRefusesError, which says why, and ChainUnavailableError.
        """
        if self._node is None:
            return
        verifier, registry = self._verifier, self._registry
        if await self._flag(verifier, "paused()") is True:
            raise _refuses("paused", f"The contract {verifier} is paused, so it mints nothing.")
        if await self._flag(registry, "isModelActive(uint256)", number) is False:
            raise _refuses(
                "model_inactive",
                f"The chain's registry {registry} has deactivated the model {number}, so it mints "
                "nothing.",
            )
        key = payload["anchors"]["idempotencyKey"]
        if await self._flag(verifier, "processedIdempotencyKeys(bytes32)", int(key, 16)) is True:
            raise _refuses(
                "already_processed",
                f"The contract {verifier} has processed the idempotency key {key}: this "
                "improvement was minted already, and is minted once.",
            )
        await self._require_budget(number, payload)

    async def _require_budget(self, number: int, payload: Mapping[str, Any]) -> None:
        """Compare what the contract would mint with what is left of the model's budget."""
        left = await self._number(self._verifier, "mintBudgetRemaining(uint256)", number)
        if left is None:
            return
        delta = max(0, payload["candidateScoreBps"] - payload["baselineScoreBps"])
        function = "calculateRewardDynamic(string,uint256,uint256,uint256)"
        reward = await self._number(self._verifier, function, str(number), delta, WHOLE, 0)
        if reward is None:
            raise _refuses(
                "no_reward_known",
                f"The contract {self._verifier} does not compute a reward for the model {number}: "
                "its ModelRegistry and its TokenManager may have different tokens for it.",
            )
        if reward == 0:
            raise _refuses(
                "no_reward",
                f"The contract {self._verifier} would mint nothing for an improvement of {delta} "
                f"basis points of the model {number}, and would take no other request for it.",
            )
        if reward > left:
            raise _refuses(
                "budget_exceeded",
                f"The contract {self._verifier} would mint {reward} units of the token, and the "
                f"budget of the model {number} has {left} left. The contract's owner can add to "
                "it (topUpMintBudget).",
                reward=str(reward),
                budget_remaining=str(left),
            )

    async def _flag(self, contract: str, signature: str, *arguments: int) -> bool | None:
        result = await self._call(contract, signature, *arguments)
        try:
            return None if result is None else decode_bool(result)
        except ValueError:
            raise other_contract(contract, signature) from None

    async def _number(self, contract: str, signature: str, *arguments: int | str) -> int | None:
        result = await self._call(contract, signature, *arguments)
        try:
            return None if result is None else decode_uint(result)
        except ValueError:
            raise other_contract(contract, signature) from None

    async def _call(self, contract: str, signature: str, *arguments: int | str) -> bytes | None:
        """The result of a function; None where it is refused, as one that is not there is."""
        assert self._node is not None
        try:
            return await self._node.call(contract, encode_call(signature, *arguments))
        except RevertedError:
            return None


def _refuses(condition: str, message: str, **more: str) -> ContractRefusesError:
    return ContractRefusesError(message, extra={"condition": condition, **more})
