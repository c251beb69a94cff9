"""uvicorn's HTTP/1.1 protocol with one keep-alive timer for each connection."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class KeepAliveProtocol(HttpToolsProtocol):
    """Closes a connection on which no request has come for `timeout_keep_alive` seconds.

    uvicorn starts and cancels a timer for each request. Here one timer looks, when it expires, at
    the time since which the connection has been idle, which costs less.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The event loop's time of the end of the last response; None while a request is under way.
        self._idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Called by the cycle of a request whose response has been sent."""
        if self.transport.is_closing():
            self.server_state.total_requests += 1
        else:
            self._next_request()

    def _next_request(self) -> None:
        """Start the next request, if it has been received already, or wait for it."""
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._start_keep_alive_timer(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Called by uvicorn's code when a request begins."""
        self._idle_since = None

    def _start_keep_alive_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle long enough, or look again later."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._start_keep_alive_timer(left)
        else:
            super().timeout_keep_alive_handler()
