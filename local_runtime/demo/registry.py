"""The demo's registry on loopback: a process that stays until `script/demo --down`, and what is pushed into it."""

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

from local_runtime.demo.images import MANIFEST, OCI_INDEX, Blob, Image
from local_runtime.host.daemon import Daemon
from local_runtime.programs import Address, free_port, port_problem

PREFERRED_PORT = 5050
START_SECONDS = 15.0
CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


class RegistryFailed(Exception):
    """The registry could not be had or does not answer as it should; the text says why."""


class Registry:
    """Debian's docker-registry as a background process, its files below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemon = Daemon("registry", folder)

    def address(self) -> str | None:
        """`127.0.0.1:PORT` of the registry that was started last, running or not."""
        file = self._folder / "address"
        return file.read_text().strip() if file.exists() else None

    def running(self) -> bool:
        """Whether its process runs."""
        return self._daemon.running()

    def start(self, program: Path) -> str:
        """Run it, on the port it had before, and return its address. Raises RegistryFailed."""
        known = self.address()
        if known is not None and self._daemon.running():
            return known
        address = known if known is not None and _is_free(known) else _choose_address()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self._folder / "registry.yml"
        configuration.write_text(
            CONFIGURATION.format(storage=json.dumps(str(self._folder / "storage")), address=address)
        )
        self._daemon.start([str(program), "serve", str(configuration)])
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address):
            if not self._daemon.running() or time.monotonic() > deadline:
                raise RegistryFailed(f"the registry does not start: {self._daemon.last_words(3)}")
            time.sleep(0.05)
        (self._folder / "address").write_text(address)
        return address

    def stop(self) -> None:
        """End its process; its files stay."""
        self._daemon.stop(seconds=5)


class Publisher:
    """Puts images into a registry over plain HTTP on loopback; what is there already is not sent again."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)

    def publish(self, repository: str, image: Image, tag: str | None) -> str:
        """Store the image, let the tag (if any) point to it, and return its digest. Raises RegistryFailed."""
        name = tag or image.top.digest
        if self._digest(repository, name) == image.top.digest:
            return image.top.digest
        for blob in image.blobs:
            self._put_blob(repository, blob)
        for manifest in image.manifests[:-1]:
            self._put_manifest(repository, manifest, manifest.digest)
        self._put_manifest(repository, image.top, name)
        return image.top.digest

    def _digest(self, repository: str, name: str) -> str | None:
        accepted = {"Accept": f"{MANIFEST}, {OCI_INDEX}"}
        status, headers = self._ask("HEAD", f"/v2/{repository}/manifests/{name}", headers=accepted)
        return headers.get("Docker-Content-Digest") if status == 200 else None

    def _put_blob(self, repository: str, blob: Blob) -> None:
        if self._ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}")[0] == 200:
            return
        status, headers = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        location = urlsplit(headers.get("Location", ""))
        path = f"{location.path}?{location.query}&digest={blob.digest}"
        content = {"Content-Type": "application/octet-stream"}
        if status != 202 or (status := self._ask("PUT", path, blob.content, content)[0]) != 201:
            raise RegistryFailed(f"the registry answered {status} to a blob of {repository}")

    def _put_manifest(self, repository: str, manifest: Blob, name: str) -> None:
        content = {"Content-Type": manifest.media_type}
        status, _ = self._ask("PUT", f"/v2/{repository}/manifests/{name}", manifest.content, content)
        if status != 201:
            raise RegistryFailed(f"the registry answered {status} to the manifest {repository}:{name}")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage]:
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as failure:
            raise RegistryFailed(f"the registry does not answer: {failure}") from failure
        return response.status, response.headers

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _choose_address() -> str:
    port = PREFERRED_PORT if _is_free(f"127.0.0.1:{PREFERRED_PORT}") else free_port()
    return f"127.0.0.1:{port}"


def _is_free(address: str) -> bool:
    host, _, port = address.partition(":")
    return port_problem(Address(host, int(port))) is None


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
