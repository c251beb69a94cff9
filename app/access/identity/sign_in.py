"""Verifies that a SIWE message was signed for this gateway."""

from functools import partial

from app.access.identity import siwe
from app.access.identity.contract_wallets import ContractWallets, NotByKeyError
from app.access.identity.siwe import SIWEMessage
from app.core.errors import InvalidSignatureError, PermissionDeniedError, SignInDisabledError
from app.core.request.principal import Principal
from app.core.settings import Settings
from app.database.engine import now


def hosts(settings: Settings) -> frozenset[str]:
    """The hosts that a SIWE message may name. Raises SignInDisabledError if there are none."""
    if not settings.public_hosts:
        raise SignInDisabledError(
            "Sign-In with Ethereum is disabled: the operator has to set HOKUSAI_PUBLIC_URL to the "
            "URL that users see. A signature in the headers X-ETH-Address, X-ETH-Message and "
            "X-ETH-Signature works without it, also to get a token."
        )
    return settings.public_hosts


async def verify_siwe(
    message: str, signature: str, settings: Settings, contract_wallets: ContractWallets
) -> SIWEMessage:
    """Verify a SIWE message; the caller has to consume its nonce.

    Without a database session: a contract wallet takes a call of the chain, during which no
    connection may be in use. Raises InvalidSignatureError, StaleSignatureError,
    SignInDisabledError; for a contract wallet ContractWalletError and ChainUnavailableError.
    """
    verify = partial(
        siwe.verify,
        message,
        signature,
        hosts=hosts(settings),
        now=now(),
        max_age=settings.signature_max_age,
        clock_skew=settings.signature_clock_skew,
        chain_ids=frozenset(settings.siwe_chain_ids),
        accepts=contract_wallets.accepts,
    )
    try:
        return verify()
    except NotByKeyError as error:
        await contract_wallets.confirm(error)
    parsed = verify()
    if parsed.chain_id != settings.chain_id:
        raise InvalidSignatureError(
            f"A contract wallet is verified on the chain {settings.chain_id}; the SIWE message "
            f"names {parsed.chain_id}."
        )
    return parsed


async def verify_siwe_of(
    owner: Principal,
    message: str,
    signature: str,
    settings: Settings,
    contract_wallets: ContractWallets,
) -> SIWEMessage:
    """Verify that the caller's own wallet has signed a SIWE message. Raises as `verify_siwe` does.

    Raises PermissionDeniedError if the caller is no wallet.
    """
    if owner.address is None:
        raise PermissionDeniedError(
            "A SIWE message in `siwe` is for wallets. Your key was issued by an operator: leave "
            "siwe out."
        )
    parsed = await verify_siwe(message, signature, settings, contract_wallets)
    if parsed.address != owner.address:
        raise InvalidSignatureError(
            "The SIWE message was signed by another wallet than the one that sends the request."
        )
    return parsed
