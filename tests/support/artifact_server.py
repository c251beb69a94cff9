"""A server before MLflow that responds itself to requests for the files of chosen runs."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx

LIST, CONTENT = "/api/2.0/mlflow/artifacts/list", "/get-artifact"


@dataclass
class FileRequest:
    """A request for files. range_: the value of Range. number: counts those of one path, from 0."""

    method: str
    path: str
    headers: Message
    number: int

    @property
    def start(self) -> int:
        """Where its Range begins; 0 without one."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


@dataclass
class FileResponse:
    """breaks_off: the connection is closed after the body, whatever Content-Length says; a header
    that is empty is not sent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False


@dataclass
class Store:
    """The files of a run, below `model`. Tests replace what they need.

    ranges: whether a Range is served, with If-Range. lasting: whether a file has the same ETag each
    time. stamp: changes all ETags, as the times of the last changes do. sizes: whether lists have
    the sizes of files. respond: makes the response to a request for a file in place of `serve`.
    entries: the entries of a directory, by its path, in place of those of `files`, once it has been
    registered.
    """

    files: dict[str, bytes]
    ranges: bool = True
    lasting: bool = True
    stamp: int = 0
    sizes: bool = True
    respond: Callable[[FileRequest], FileResponse | None] = lambda _: None
    entries: dict[str, Any] = field(default_factory=dict)
    requests: list[FileRequest] = field(default_factory=list)
    _listings: int = 0

    def serve(self, request: FileRequest) -> FileResponse:
        """As MLflow does."""
        content = self.files.get(request.path)
        if content is None:
            return FileResponse(404)
        etag = f'"{hash((content, self.stamp))}"' if self.lasting else f'"{len(self.requests)}"'
        headers = {"ETag": etag}
        start = request.start
        if self.ranges and start and request.headers.get("If-Range") in (None, etag):
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return FileResponse(206, content[start:], headers)
        return FileResponse(200, content, headers)

    def receive(self, method: str, path: str, headers: Message) -> FileResponse:
        number = sum((one.method, one.path) == (method, path) for one in self.requests)
        request = FileRequest(method, path, headers, number)
        self.requests.append(request)
        return self.respond(request) or self.serve(request)

    def listing(self, directory: str) -> bytes:
        """The response for a directory, whose path has no `model`."""
        self._listings += 1
        # A registration lists the directory once.
        if self._listings > 1 and directory in self.entries:
            entries = self.entries[directory]
            return (
                entries if isinstance(entries, bytes) else json.dumps({"files": entries}).encode()
            )
        above = f"{directory}/" if directory else ""
        found: dict[str, dict[str, Any]] = {}
        for path, content in self.files.items():
            if path.startswith(above):
                name, sign, _ = path.removeprefix(above).partition("/")
                has_size = self.sizes and not sign
                size = {"file_size": str(len(content))} if has_size else {}
                found[name] = {"path": f"model/{above}{name}", "is_dir": bool(sign), **size}
        return json.dumps({"files": list(found.values())}).encode()

    def reads(self, path: str) -> list[int]:
        """Where the requests for the content of a file begin."""
        return [one.start for one in self.requests if (one.method, one.path) == ("GET", path)]


class ArtifactServer:
    """Forwards to MLflow, but for the files of the runs in `stores`."""

    def __init__(self, mlflow_url: str) -> None:
        self.stores: dict[str, Store] = {}
        self._mlflow = httpx.Client(base_url=mlflow_url, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        self._mlflow.close()

    def _response(self, method: str, target: str, headers: Message, body: bytes) -> FileResponse:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        store = self.stores.get(query.get("run_id", ""))
        path = query.get("path", "").removeprefix("model").removeprefix("/")
        if store is not None and parts.path == LIST:
            return FileResponse(body=store.listing(path))
        if store is not None and parts.path == CONTENT:
            return store.receive(method, path, headers)
        kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "connection")}
        response = self._mlflow.request(method, target, content=body, headers=kept)
        kind = response.headers.get("content-type", "text/plain")
        return FileResponse(response.status_code, response.content, {"Content-Type": kind})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                response = owner._response(self.command, self.path, self.headers, body)
                self.send_response_only(response.status)
                headers = {"Content-Length": str(len(response.body)), **response.headers}
                for name, value in headers.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(response.body)
                self.wfile.flush()
                self.close_connection |= response.breaks_off

            def log_message(self, *_: object) -> None:
                pass

        return Handler
