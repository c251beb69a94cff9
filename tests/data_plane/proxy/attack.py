"""Requests as templates: a row of the table of cross-tenant attacks, and how it is filled in.

Placeholders stand in strings:

    {victim.run}             the id of the victim's run; any field of TenantData
    {victim.key.exptag}      the name of one of the victim's metrics, parameters or tags
    {attacker.run}           the attacker's own, likewise
    {attacker.unique.model}  a new value, marked as the attacker's own
    {now}                    milliseconds since the epoch, as a number
    {random_hex}             32 hexadecimal digits
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.data_plane.proxy.mlflow_documents import now
from tests.data_plane.proxy.tenant_fixture_data import TenantData


@dataclass(frozen=True)
class Attack:
    """A request, as templates. path: the values of the parameters of the route's path."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] | None = None
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    may_succeed: bool = False


@dataclass(frozen=True)
class AttackRequest:
    """An attack with all placeholders filled in.

    path: below /api/mlflow. options: keyword arguments of httpx.Client.request.
    """

    method: str
    path: str
    options: dict[str, Any]
    may_succeed: bool


def fill_in_attack(
    route: str, attack: Attack, victim: TenantData, attacker: TenantData
) -> AttackRequest:
    """The request that an attack sends to a route of the manifest ("GET /version")."""
    method, pattern = route.split(" ")

    def filled(template: Any) -> Any:
        return fill_in(template, victim, attacker)

    path = re.sub(r"\{(\w+)(?::path)?\}", lambda found: filled(attack.path[found[1]]), pattern)
    options = {
        "params": filled(attack.query),
        "json": filled(attack.json),
        "content": attack.content,
        "headers": filled(attack.headers),
    }
    given = {name: value for name, value in options.items() if value is not None}
    return AttackRequest(method, path, given, attack.may_succeed)


# Other braces, such as those of JSON in a string, are no placeholders.
PLACEHOLDER = re.compile(r"\{((?:victim|attacker)(?:\.\w+){1,2}|now|random_hex)\}")


def fill_in(template: Any, victim: TenantData, attacker: TenantData) -> Any:
    """The template, with placeholders replaced in all of its strings."""

    def value(placeholder: str) -> Any:
        if placeholder == "now":
            return now()
        if placeholder == "random_hex":
            return secrets.token_hex(16)
        owner, name, *kind = placeholder.split(".")
        found = getattr(victim if owner == "victim" else attacker, name)
        return found(*kind) if kind else found

    match template:
        case str():
            whole = PLACEHOLDER.fullmatch(template)
            if whole:
                return value(whole[1])
            return PLACEHOLDER.sub(lambda found: str(value(found[1])), template)
        case dict():
            return {
                fill_in(key, victim, attacker): fill_in(item, victim, attacker)
                for key, item in template.items()
            }
        case list():
            return [fill_in(item, victim, attacker) for item in template]
    return template


def in_query(*queries: Any, may_succeed: bool = False) -> list[Attack]:
    """Each query; and the same as the JSON body of the GET.

    MLflow reads such a body on most routes; on the others it ignores it, and may respond with what
    the attacker has.
    """
    return [
        row
        for query in queries
        for row in (
            Attack(query=query, may_succeed=may_succeed),
            Attack(json=query, may_succeed=True),
        )
    ]


def in_body(*bodies: Any, may_succeed: bool = False) -> list[Attack]:
    """Each JSON body."""
    return [Attack(json=body, may_succeed=may_succeed) for body in bodies]


def in_body_and_query(*bodies: Any) -> list[Attack]:
    """Each JSON body; and the same as a query."""
    return [row for body in bodies for row in (Attack(json=body), Attack(query=body))]


class AttackerPlaceholders:
    """Stands for the attacker's TenantData where a template is built."""

    def key(self, kind: str) -> str:
        return f"{{attacker.key.{kind}}}"

    def unique(self, kind: str) -> str:
        return f"{{attacker.unique.{kind}}}"
