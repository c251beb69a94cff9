"""`hokusai mint-request` and `mint-approvals`: minting tokens for an improvement."""

from __future__ import annotations

from typing import Any, Mapping

import click

from hokusai.cli.options import connect, json_option, url_option
from hokusai.cli.output import write_json, write_record, write_table


@click.command("mint-request")
@click.argument("attestation", metavar="HASH")
@click.option(
    "--chain-model-id",
    metavar="NUMBER",
    help="The model number that you expect to be bound to the token; any other is refused.",
)
@url_option
@json_option
def mint_request(
    attestation: str, chain_model_id: str | None, url: str | None, as_json: bool
) -> None:
    """Have the mint of an attested improvement signed for the Hokusai contracts.

    The improvement has to be on a tokenized model: one of your own tenant, or one whose holder has
    approved it.
    """
    signed = connect(url).mint_request(attestation, chain_model_id=chain_model_id)
    if as_json:
        write_json(dict(signed))
        return
    write_record(
        {
            "token": signed["token_id"],
            "model number": signed["chain_model_id"],
            "model": signed["model_id"],
            "attestation": signed["attestation"],
            "improvement": f"{signed['delta_one']:g} percentage points",
            "digest": signed["digest"],
            "signer": signed["signers"],
            "deadline": signed["deadline"],
            "placeholders": signed["placeholders"] if signed["draft"] else None,
        }
    )


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
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="The most approvals to show.",
)
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
@click.argument("approval_id", metavar="ID", type=click.IntRange(min=1))
@url_option
@json_option
def withdraw(approval_id: int, url: str | None, as_json: bool) -> None:
    """Withdraw an approval. It stays as a record, and nothing more is signed on it."""
    _show(connect(url).withdraw_mint_approval(approval_id), as_json)


def _show(approval: Mapping[str, Any], as_json: bool) -> None:
    write_json(dict(approval)) if as_json else write_record(approval)
