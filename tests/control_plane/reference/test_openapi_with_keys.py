"""The gateway conforms to its OpenAPI document, for callers with an API key.

Other callers are in another file, so that both run at the same time: each test takes a minute.
"""

from pathlib import Path

from tests.control_plane.reference.schemathesis_run import assert_conforms
from tests.support.gateway import ALL_SCOPES, RunningGateway


def test_the_gateway_conforms_for_a_member(tested_gateway: RunningGateway, tmp_path: Path) -> None:
    assert_conforms(tested_gateway, tested_gateway.key(), tmp_path)


def test_the_gateway_conforms_for_an_admin(tested_gateway: RunningGateway, tmp_path: Path) -> None:
    assert_conforms(tested_gateway, tested_gateway.key(scopes=ALL_SCOPES), tmp_path, bounds=True)
