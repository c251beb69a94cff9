"""The database refuses to change or remove entries of the audit log."""

import httpx
import psycopg2
import pytest

from tests.access.audit.reading import unused
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.sql import sql


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_events set actor = 'nobody'",
        "update audit_events set actor = 'nobody' where false",
        "delete from audit_events",
        "delete from audit_events where id = (select max(id) from audit_events)",
        "truncate audit_events",
        "insert into audit_events (id, at, actor, action, subject, details)"
        " values (1, now(), 'a', 'b', 'c', '{}')",
    ],
)
def test_the_database_refuses_to_change_an_entry(
    gateway: RunningGateway, admin: httpx.Client, statement: str
) -> None:
    good(admin.post("/api/admin/tenants", json={"name": unused()}), 201)
    everything = "select id, at, actor, action, subject from audit_events order by id"
    before = sql(gateway, everything)
    with pytest.raises(psycopg2.Error):
        sql(gateway, statement)
    assert sql(gateway, everything)[: len(before)] == before
    assert before
