"""`hokusai-gateway keys`: creates, lists, rotates and revokes API keys."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import keys, revocation, rotation
from app.access.identity.key_listing import first_keys
from app.access.identity.key_views import issued, view
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest, KeyChange, RotateRequest
from app.cli.output import AsJSON, print_all, print_one
from app.cli.running import ALL_ROWS, run_in_transaction, validated
from app.core.request.actor import CLI
from app.core.request.principal import Scope
from app.core.settings import load_settings

keys_app = typer.Typer(help="API keys: create, list, limit, rotate, revoke.", no_args_is_help=True)


@keys_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="Created if it does not exist.")],
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Repeatable; default: all scopes but admin.")
    ] = None,
    rate_limit: Annotated[int | None, typer.Option(help="Requests per minute.")] = None,
    expires_in_days: Annotated[int, typer.Option(help="0: it does not expire.")] = 90,
    network: Annotated[
        list[str] | None, typer.Option(help="CIDR block in which the key may be used; repeatable.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Create a key. It is printed once and cannot be shown again."""
    arguments: dict[str, Any] = {
        "tenant": tenant,
        "name": name,
        "rate_limit": rate_limit,
        "expires_in_days": expires_in_days or None,
        "allowed_networks": network or [],
    }
    if scope:
        arguments["scopes"] = scope
    request = validated(AdminKeyRequest, arguments, allowed_networks="--network")

    async def create(session: AsyncSession, peppers: Peppers) -> BaseModel:
        return issued(*await keys.issue(session, peppers, request, CLI))

    print_one(run_in_transaction(create), as_json, ("key", "id", "tenant", "scopes", "expires_at"))


@keys_app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="List only this tenant's keys.")] = None,
    as_json: AsJSON = False,
) -> None:
    """List the keys: id, state and hint, but not the secrets themselves."""

    async def read(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        return [view(key) for key in await first_keys(session, tenant=tenant, limit=ALL_ROWS)]

    print_all(
        run_in_transaction(read),
        as_json,
        ("id", "state", "tenant", "name", "hint", "rate_limit", "expires_at"),
    )


@keys_app.command("limit")
def change_limit(
    key_id: str,
    rate_limit: Annotated[
        int | None, typer.Argument(help="Requests per minute; left out: the default.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Change the rate limit of a key; every gateway applies it within a second."""
    request = validated(KeyChange, {"rate_limit": rate_limit}, rate_limit="RATE_LIMIT")
    default_limit = load_settings().rate_limit

    async def change(session: AsyncSession, _: Peppers) -> BaseModel:
        key = await keys.get_key(session, key_id)
        await keys.change_limit(session, key, request.rate_limit, CLI, default_limit=default_limit)
        return view(key)

    print_one(run_in_transaction(change), as_json, ("id", "state", "tenant", "rate_limit"))


@keys_app.command("rotate")
def rotate_key(
    key_id: str,
    overlap_seconds: Annotated[int, typer.Option(help="How long the old key stays valid.")] = 86400,
    as_json: AsJSON = False,
) -> None:
    """Replace a key by a new one; the old one stays valid for the overlap."""
    request = validated(RotateRequest, {"overlap_seconds": overlap_seconds})

    async def rotate(session: AsyncSession, peppers: Peppers) -> BaseModel:
        key = await keys.get_key(session, key_id)
        overlap = timedelta(seconds=request.overlap_seconds)
        return issued(*await rotation.rotate(session, peppers, key, overlap, CLI))

    print_one(run_in_transaction(rotate), as_json, ("key", "id", "tenant", "scopes", "expires_at"))


@keys_app.command("revoke")
def revoke_key(
    key_id: str,
    rotation_chain: Annotated[
        bool,
        typer.Option(
            "--rotation-chain",
            help="Also revoke the keys it was rotated to or from, as for a stolen key.",
        ),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Revoke a key immediately, and all keys that were created with it."""

    async def revoke(session: AsyncSession, _: Peppers) -> BaseModel:
        key = await keys.get_key(session, key_id)
        await revocation.revoke(session, key, CLI, rotation_chain=rotation_chain)
        return view(key)

    print_one(run_in_transaction(revoke), as_json, ("id", "state", "revoked_at"))
