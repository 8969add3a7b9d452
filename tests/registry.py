"""A Schema Registry on loopback: registers and hands out schemas, and refuses when it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Registry:
    """``subjects`` are the schemas' ids by subject, ``asked`` the requests so far, ``refuses`` a status."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, int] = {}
        self.asked: list[str] = []
        self.refuses = 0
        self.url = ""

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self.refuses:
            return self.refuses, {"error_code": self.refuses * 100, "message": "not for you"}
        parts = path.partition("?")[0].strip("/").split("/")
        if body is not None and parts[0] == "subjects":
            return 200, self.register(parts[1], body)
        if parts[:2] == ["schemas", "ids"] and int(parts[2]) in self.schemas:
            return 200, self.schemas[int(parts[2])]
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def register(self, subject: str, schema: dict[str, Any]) -> dict[str, Any]:
        number = next((n for n, known in self.schemas.items() if known == schema), len(self.schemas) + 1)
        self.schemas[number], self.subjects[subject] = schema, number
        return {"id": number, "version": 1, "subject": subject, **schema}


@contextmanager
def running() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: dict[str, Any] | None) -> None:
            status, document = registry.answer(self.path, body)
            encoded = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *arguments: Any) -> None:
            """Tests have nothing to read there."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
