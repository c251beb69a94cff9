"""The API's document and the gateway agree, for callers with a key.

Those without one have a file of their own: each takes a minute, and two can run at a time.
"""

from pathlib import Path

from tests.control_plane.reference.schemathesis_run import finds_nothing
from tests.support.gateway import ALL_SCOPES, RunningGateway


def test_schemathesis_finds_nothing_as_a_member(tried: RunningGateway, tmp_path: Path) -> None:
    finds_nothing(tried, tried.key(), tmp_path)


def test_schemathesis_finds_nothing_as_an_admin(tried: RunningGateway, tmp_path: Path) -> None:
    finds_nothing(tried, tried.key(scopes=ALL_SCOPES), tmp_path)
