"""The server behind all proxies: a stub of MLflow that costs almost nothing.

`python -m benchmarks.backend PORT`. It responds to the gateway's requests for a new tenant, to
`runs/get` with one run, and to requests for artifacts: a download has as many bytes as the
artifact's name says, an upload is read and discarded, and one to the name `stall` is never read.
It supports the part of HTTP/1.1 that a proxy needs: no pipelining, no chunked requests.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

ARTIFACTS = b"/api/2.0/mlflow-artifacts/artifacts/"
BLOCK = bytes(256 * 1024)

# MLflow's response for a short training run.
RUN = {
    "run": {
        "info": {
            "run_uuid": "5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d",
            "run_id": "5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d",
            "experiment_id": "1",
            "run_name": "sincere-crane-204",
            "user_id": "",
            "status": "FINISHED",
            "start_time": 1735689600000,
            "end_time": 1735689660000,
            "artifact_uri": "mlflow-artifacts:/1/5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {
            "metrics": [
                {"key": key, "value": 0.875, "timestamp": 1735689660000, "step": 10}
                for key in ("accuracy", "auroc", "f1", "loss")
            ],
            "params": [
                {"key": key, "value": "0.001"} for key in ("learning_rate", "batch_size", "epochs")
            ],
            "tags": [
                {"key": "mlflow.runName", "value": "sincere-crane-204"},
                {"key": "mlflow.source.name", "value": "train.py"},
                {"key": "mlflow.source.type", "value": "LOCAL"},
            ],
        },
        "inputs": {},
    }
}


def _response(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


DONE = _response({})
RESPONSES = {
    b"GET /api/2.0/mlflow/runs/get": _response(RUN),
    b"GET /api/3.0/mlflow/server-info": _response({"workspaces_enabled": True}),
    b"POST /api/3.0/mlflow/workspaces": DONE,
    b"POST /api/2.0/mlflow/experiments/create": _response({"experiment_id": "1"}),
    b"GET /health": DONE,
}


class Backend(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._head = b""
        # Bytes of the request's body that are still to be received, and of the response's body
        # that are still to be sent.
        self._to_receive = 0
        self._to_send = 0
        self._response = DONE
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._to_receive:
            self._receive(len(data))
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = self._head[:end], len(self._head) - end - 4
        self._head = b""
        request = head[: head.index(b" HTTP/")].partition(b"?")[0]
        method, _, path = request.partition(b" ")
        if path.startswith(ARTIFACTS) and method == b"GET":
            self._to_send = int(path[len(ARTIFACTS) :])
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: %d\r\n\r\n" % self._to_send
            )
            self._send()
            return
        if path == ARTIFACTS + b"stall":
            self._transport.pause_reading()
        self._response = RESPONSES.get(request, DONE)
        self._to_receive = _content_length(head) if method != b"GET" else 0
        self._receive(rest)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()

    def _receive(self, size: int) -> None:
        self._to_receive -= size
        if self._to_receive <= 0:
            self._to_receive = 0
            self._transport.write(self._response)

    def _send(self) -> None:
        while self._to_send and not self._paused and not self._transport.is_closing():
            block = BLOCK[: self._to_send]
            self._to_send -= len(block)
            self._transport.write(block)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
