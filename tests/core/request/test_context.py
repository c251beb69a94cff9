"""The context of a request, and how the layers find it."""

import time

from app.core.request.context import RequestContext, context_of
from app.core.request.head import EMPTY_HEAD, RequestHead


def test_a_new_context_has_no_caller_yet() -> None:
    before = time.perf_counter()
    context = RequestContext("id-1")
    assert before <= context.began <= time.perf_counter()
    assert (context.principal, context.wallet_proof, context.limit_state) == (None, None, None)
    assert (context.route, context.reason) == ("unmatched", None)
    assert context.head is EMPTY_HEAD
    assert (context.headers, context.client) == ({}, "")


def test_headers_and_client_are_those_of_the_head() -> None:
    head = RequestHead([(b"a", b"1")], {b"a": b"1"}, "192.0.2.1")
    context = RequestContext("id-1", head)
    assert context.headers == {b"a": b"1"}
    assert context.client == "192.0.2.1"


def test_it_is_kept_in_the_asgi_scope() -> None:
    context = RequestContext("id-1")
    assert context_of({"type": "http", "context": context}) is context
