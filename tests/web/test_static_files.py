"""Static files: by content, for ever, compressed, without a credential or limit."""

import gzip

from app.web.static_files import DIGEST, static_path
from tests.support.gateway import RunningGateway


def test_a_file_is_sent_to_anybody_and_cached_for_ever(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        response = client.get(static_path("style.css"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["vary"] == "accept-encoding"
    assert "ratelimit-limit" not in response.headers
    assert ":root" in response.text


def test_a_file_is_sent_compressed_to_clients_that_accept_it(gateway: RunningGateway) -> None:
    bodies = {}
    for accepted in ("gzip", "identity"):
        with (
            gateway.client(**{"Accept-Encoding": accepted}) as client,
            client.stream("GET", static_path("page.js")) as response,
        ):
            bodies[accepted] = b"".join(response.iter_raw())
            assert response.headers.get("content-encoding") == (
                "gzip" if accepted == "gzip" else None
            )
            assert int(response.headers["content-length"]) == len(bodies[accepted])
    assert gzip.decompress(bodies["gzip"]) == bodies["identity"]
    assert len(bodies["gzip"]) < len(bodies["identity"])


def test_a_page_of_another_release_gets_files_that_are_not_kept(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        response = client.get(static_path("style.css").replace(DIGEST, "0" * 16))
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")


def test_there_is_nothing_else_below_static(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for path in ("/static/", "/static/none.css", f"/static/{DIGEST}/../pages/home.py"):
            assert client.get(path).status_code in (401, 404), path
        assert client.get(f"/static/{DIGEST}/%2e%2e/rendering.py").status_code == 404
        refused = client.post(static_path("style.css"))
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
        head = client.head(static_path("style.css"))
        assert (head.status_code, head.content) == (200, b"")
