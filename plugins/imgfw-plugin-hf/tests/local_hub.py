"""The part of the Hub's interface that a push uses, on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LocalHub:
    """A Hub that keeps what it is given.

    Attributes:
        address: where it answers.
        created: the repository that it was asked to make.
        files: the content of every file that was pushed, by its path.
    """

    def __init__(self) -> None:
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """Answer a request as the Hub does."""
        if path == "/api/repos/create":
            self.created = json.loads(body)
            return {"url": f"{self.address}/{self.created['organization']}/{self.created['name']}"}
        if path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            rest = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [{"path": each["path"], **rest} for each in asked]}
        if path.endswith("/commit/main"):
            lines = [json.loads(line) for line in body.splitlines()]
            self.files |= {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            return {"commitUrl": f"{self.address}/someone/colours/commit/{'0' * 40}", "commitOid": "0" * 40}
        return {"errors": [], "warnings": []}


def _handler(hub: LocalHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = json.dumps(hub.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """A Hub on this machine while the context lasts."""
    hub = LocalHub()
    try:
        yield hub
    finally:
        hub.stop()
