"""A server that answers for api.example.com, so that pages can be run as they stand."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from openrun.net.address import AllowList
from openrun.net.http import HttpClient, HttpRequest, HttpResponse

HOST = "https://api.example.com"

ANSWERS = {
    "/data": {"answer": 42},
    "/users/7": {"id": 7, "name": "Ada", "plan": "pro"},
    "/orders": {"id": 1001},
}


class Api:
    """Runs in a thread of its own; `asked` are the requests it got, as "GET /data"."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def client(self, **_options: object) -> HttpClient:
        """A client that reaches this server where api.example.com is asked for, and nothing else."""
        return _LocalClient(f"127.0.0.1:{self._server.server_port}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = ANSWERS.get(urlsplit(self.path).path)
                body = json.dumps(found or {"error": "no such page"}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        return Handler


class _LocalClient(HttpClient):
    def __init__(self, address: str) -> None:
        super().__init__(allow=AllowList.parse([address]))
        self._local = f"http://{address}"

    async def send(self, request: HttpRequest) -> HttpResponse:
        return await super().send(replace(request, url=request.url.replace(HOST, self._local, 1)))
