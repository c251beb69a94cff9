"""`hokusai mint`, `mint-request` and `mint-approvals`: minting tokens for an improvement."""

from __future__ import annotations

import os
from typing import Any, Mapping

import click

from hokusai.cli.options import WholeNumber, connect, json_option, limit_option, url_option
from hokusai.cli.output import write_json, write_record, write_table
from hokusai.credentials import WALLET_VARIABLE
from hokusai.errors import InputError
from hokusai.results import MintRequest

_request_id = click.argument("mint_request_id", metavar="ID", type=WholeNumber(min=1))


@click.command("mint-request")
@click.argument("attestation", metavar="HASH")
@click.option(
    "--chain-model-id",
    metavar="NUMBER",
    help="The model number that you expect to be bound to the token; any other is refused.",
)
@click.option(
    "--cost",
    metavar="MICRO_USD",
    type=WholeNumber(min=0),
    help="What the evaluation cost, in millionths of a US dollar.",
)
@url_option
@json_option
def mint_request(
    attestation: str, chain_model_id: str | None, cost: int | None, url: str | None, as_json: bool
) -> None:
    """Have the mint of an attested improvement signed for the Hokusai contracts.

    The improvement has to be on a tokenized model: one of your own tenant, or one whose holder has
    approved it.
    """
    signed = connect(url).mint_request(
        attestation, chain_model_id=chain_model_id, actual_cost_usd_micro=cost
    )
    _show_request(signed, as_json)


@click.group()
def mint() -> None:
    """Mint requests: obtain, list, sign and fetch them."""


@mint.command("list")
@click.option("--token", metavar="TOKEN_ID", help="All for this token id, which you hold.")
@limit_option("mint requests")
@url_option
@json_option
def list_requests(token: str | None, limit: int, url: str | None, as_json: bool) -> None:
    """List the mint requests of your improvements, newest first."""
    shown = list(connect(url).mint_requests(token=token, limit=limit))
    if as_json:
        write_json({"mint_requests": [dict(request) for request in shown]})
        return
    if not shown:
        click.echo("No mint requests were found.", err=True)
        return
    write_table(
        ["ID", "TOKEN", "MODEL", "METRIC", "SIGNATURES", "DEADLINE"],
        (
            [
                request["id"],
                request["token_id"],
                request["model_id"],
                request["metric"],
                _progress(request),
                request["deadline"],
            ]
            for request in shown
        ),
    )


@mint.command("show")
@_request_id
@url_option
@json_option
def show(mint_request_id: int, url: str | None, as_json: bool) -> None:
    """Show one mint request."""
    _show_request(connect(url).fetch_mint_request(mint_request_id), as_json)


@mint.command("typed-data")
@_request_id
@url_option
def typed_data(mint_request_id: int, url: str | None) -> None:
    """Write the EIP-712 message that a further attestor signs, as wallets take it.

    For `eth_signTypedData_v4`, and for the tools of hardware wallets.
    """
    write_json(with_domain_type(connect(url).fetch_mint_request(mint_request_id)["typed_data"]))


@mint.command("sign")
@_request_id
@click.option(
    "--signature", metavar="HEX", help="A signature that was made elsewhere: 0x and 130 digits."
)
@url_option
@json_option
def sign(mint_request_id: int, signature: str | None, url: str | None, as_json: bool) -> None:
    """Add the signature of a further attestor.

    Without --signature, the wallet of HOKUSAI_PRIVATE_KEY signs here, after the message is checked
    against its digest.
    """
    api = connect(url)
    if signature is None:
        signature = _sign_here(api.fetch_mint_request(mint_request_id))
    _show_request(api.add_mint_signature(mint_request_id, signature), as_json)


@mint.command("message")
@_request_id
@url_option
def message(mint_request_id: int, url: str | None) -> None:
    """Write a complete mint request as the message that the platform's minting service takes."""
    write_json(dict(connect(url).mint_message(mint_request_id)))


def with_domain_type(typed_data: Mapping[str, Any]) -> dict[str, Any]:
    """Return typed data with the type of its domain, which wallets need and libraries add."""
    kinds = {"name": "string", "version": "string", "chainId": "uint256"}
    kinds["verifyingContract"] = "address"
    domain = [{"name": name, "type": kinds[name]} for name in typed_data["domain"]]
    return {**typed_data, "types": {"EIP712Domain": domain, **typed_data["types"]}}


def _sign_here(request: MintRequest) -> str:
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    key = os.environ.get(WALLET_VARIABLE, "").strip()
    if not key:
        raise click.UsageError(f"Pass --signature, or set {WALLET_VARIABLE}.")
    try:
        account = Account.from_key(key)
    except Exception:  # its message may contain the key
        raise click.UsageError(f"{WALLET_VARIABLE} is not a private key.") from None
    signed = account.sign_message(
        encode_typed_data(full_message=with_domain_type(request["typed_data"]))
    )
    if f"0x{bytes(signed.message_hash).hex()}" != request["digest"]:
        raise InputError("The digest of the mint request is not that of its typed data.")
    return f"0x{bytes(signed.signature).hex()}"


def _show_request(signed: MintRequest, as_json: bool) -> None:
    if as_json:
        write_json(dict(signed))
        return
    write_record(
        {
            "id": signed["id"],
            "token": signed["token_id"],
            "model number": signed["chain_model_id"],
            "model": signed["model_id"],
            "attestation": signed["attestation"],
            "improvement": f"{signed['delta_one']:g} percentage points",
            "digest": signed["digest"],
            "signers": signed["signers"],
            "signatures": _progress(signed),
            "may still sign": [
                one["address"] for one in signed["attestors"] if one["counts"] and not one["signed"]
            ],
            "do not count": [
                one["address"]
                for one in signed["attestors"]
                if one["signed"] and one["counts"] is False
            ],
            "warnings": [warning["message"] for warning in signed["warnings"]],
            "deadline": signed["deadline"],
        }
    )


def _progress(request: Mapping[str, Any]) -> str:
    """How many signatures there are of how many; that is not known while no node responds."""
    required = "an unknown number" if request["required"] is None else request["required"]
    return f"{len(request['signers'])} of {required}"


@click.group("mint-approvals")
def mint_approvals() -> None:
    """Approve, as the holder of a token, that improvements by other tenants are minted."""


@mint_approvals.command("add")
@click.argument("token_id")
@click.option("--model", "model_id", metavar="MODEL", help="The improvement to approve.")
@click.option("--contributor", metavar="ADDRESS", help="Or the contributor to approve, 0x...")
@url_option
@json_option
def add(
    token_id: str, model_id: str | None, contributor: str | None, url: str | None, as_json: bool
) -> None:
    """Approve one improvement on a model of TOKEN_ID, or one contributor."""
    if (model_id is None) == (contributor is None):
        raise click.UsageError("Pass either --model or --contributor.")
    approval = connect(url).approve_mint(token_id, model_id=model_id, contributor=contributor)
    _show(approval, as_json)


@mint_approvals.command("list")
@click.option("--token", metavar="TOKEN_ID", help="Only approvals for this token id.")
@click.option("--all", "with_withdrawn", is_flag=True, help="Show withdrawn approvals as well.")
@limit_option("approvals")
@url_option
@json_option
def list_approvals(
    token: str | None, with_withdrawn: bool, limit: int, url: str | None, as_json: bool
) -> None:
    """List the approvals that your tenant gave, newest first."""
    withdrawn = None if with_withdrawn else "false"
    shown = list(connect(url).mint_approvals(limit=limit, token=token, withdrawn=withdrawn))
    if as_json:
        write_json({"approvals": [dict(approval) for approval in shown]})
        return
    if not shown:
        click.echo("No approvals were found.", err=True)
        return
    write_table(
        ["ID", "TOKEN", "APPROVES", "CREATED", "WITHDRAWN"],
        (
            [
                approval["id"],
                approval["token_id"],
                approval["model_id"] or approval["contributor"],
                approval["created_at"],
                approval["withdrawn_at"],
            ]
            for approval in shown
        ),
    )


@mint_approvals.command("withdraw")
@click.argument("approval_id", metavar="ID", type=WholeNumber(min=1))
@url_option
@json_option
def withdraw(approval_id: int, url: str | None, as_json: bool) -> None:
    """Withdraw an approval. It stays as a record, and nothing more is signed on it."""
    _show(connect(url).withdraw_mint_approval(approval_id), as_json)


def _show(approval: Mapping[str, Any], as_json: bool) -> None:
    write_json(dict(approval)) if as_json else write_record(approval)


mint.add_command(mint_request, "request")
mint.add_command(mint_approvals, "approvals")
