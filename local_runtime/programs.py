"""The programs that make up Slipway on one machine, and the settings each is started with."""

import errno
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"
STORE_KEY = "store.key"
"""Where the store keeps its key, in the data directory: its own KEY_FILE."""
QUIET_PORTS = range(20000, 32000)
"""Below the ports the system hands to outgoing connections, so that a restarted store finds its port free."""


@dataclass(frozen=True)
class Program:
    """One child of the supervisor: a name for its log lines and the module it runs."""

    name: str
    module: str


STORE = Program("store", "local_runtime.store")
SERVER = Program("server", "local_runtime.server")
EXECUTOR = Program("executor", "local_runtime.executor")


@dataclass(frozen=True)
class Address:
    """Where the API listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def settings(environment: Mapping[str, str], address: Address, data: Path, store_url: str | None) -> dict[str, str]:
    """The environment of server and executor: the caller's, with the data directory, the address and the store.

    `store_url` is None when the caller's own AWS_ENDPOINT_URL_* lead to a store elsewhere.
    """
    child = dict(environment)
    child |= {"SLIPWAY_DATA": str(data), "DD_SERVER_HOST": address.host, "DD_SERVER_PORT": str(address.port)}
    child |= {"PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path(environment)}
    child.setdefault("AWS_REGION", environment.get("AWS_DEFAULT_REGION", REGION))
    child.setdefault("AWS_DEFAULT_REGION", child["AWS_REGION"])
    if store_url is not None:
        child.setdefault("AWS_ENDPOINT_URL_DYNAMODB", store_url)
        child.setdefault("AWS_ENDPOINT_URL_SQS", store_url)
        # A file, for an argument or a variable can be seen by more than who may read it.
        child["SLIPWAY_STORE_KEY__FILE"] = str(data / STORE_KEY)
        child.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return child


def store_is_elsewhere(environment: Mapping[str, str]) -> bool:
    """Whether the caller brings a DynamoDB and an SQS, so that none of ours is needed."""
    return bool(environment.get("AWS_ENDPOINT_URL_DYNAMODB") and environment.get("AWS_ENDPOINT_URL_SQS"))


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    for port in random.sample(QUIET_PORTS, 50):
        if port_problem(Address("127.0.0.1", port)) is None:
            return port
    raise OSError("found no free port between 20000 and 32000")


def port_problem(address: Address) -> str | None:
    """Why nothing can listen at the address, in words for a person, and what helps; None when something can."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        return _foreign(address)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
            probe.listen(1)
        except PermissionError:
            return f"only root may listen on port {address.port}; choose one from 1024 on:  script/server --port 3000"
        except OverflowError:
            return f"{address.port} is no port; ports go from 1 to 65535"
        except OSError as problem:
            if problem.errno == errno.EADDRNOTAVAIL:
                return _foreign(address)
            another = address.port + 1 if address.port < 65535 else 3000
            return f"{address} is taken: {problem.strerror}; choose another one:  script/server --port {another}"
    return None


def _foreign(address: Address) -> str:
    return f"{address.host} is no address of this machine; 127.0.0.1 always is:  script/server --host 127.0.0.1"


def _python_path(environment: Mapping[str, str]) -> str:
    own = str(ROOT)
    inherited = [part for part in environment.get("PYTHONPATH", "").split(":") if part and part != own]
    return ":".join([own, *inherited])
