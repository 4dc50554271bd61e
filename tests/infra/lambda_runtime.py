"""AWS Lambda's Runtime API, small and real enough to run a bundle under awslambdaric in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

FROM_LAMBDA = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py", "boto3", "botocore", "jmespath")
FROM_LAMBDA += ("dateutil", "s3transfer", "six", "urllib3")
PATIENCE = 30.0


def lambda_libraries(directory: Path) -> Path:
    """A directory with links to what Lambda itself brings, and nothing else of this environment."""
    directory.mkdir()
    for name in FROM_LAMBDA:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None, f"{name} is not installed"
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (directory / source.name).symlink_to(source)
    return directory


def python(task: Path, libraries: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Python as Lambda runs it: the bundle and Lambda's libraries on the path, no site-packages."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{task}:{libraries}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-S", *arguments],
        cwd=task,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function that is killed drops its connection; that is how every test ends."""


class LambdaRuntime:
    """Starts the function, hands it events one by one, and stops it."""

    def __init__(self, task: Path, libraries: Path, handler: str, **environment: str) -> None:
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._idle = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self._events, self._answers, self._idle))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        variables = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "slipway-test",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": handler,
        }
        self._process = python(task, libraries, "-m", "awslambdaric", handler, **(variables | environment))
        self._output: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self._idle.wait(PATIENCE)

    def __enter__(self) -> LambdaRuntime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._server.shutdown()
        self._server.server_close()

    @property
    def log(self) -> str:
        """What the function wrote."""
        return "".join(self._output)

    def invoke(self, event: dict[str, Any]) -> Any:
        """The function's answer to an event; fails with its log when it raised or died."""
        self._events.put((f"request-{time.monotonic_ns()}", json.dumps(event).encode()))
        try:
            kind, answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no answer:\n{self.log}") from None
        assert kind == "response", f"{answer}\n{self.log}"
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._output.extend(stream)


def _handler(events: Any, answers: Any, idle: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def do_GET(self) -> None:
            idle.set()
            identifier, body = events.get()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", identifier)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + PATIENCE) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:0:function:slipway-test")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self._body()
            answers.put((self.path.rpartition("/")[2], json.loads(body)))
            idle.set()
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
