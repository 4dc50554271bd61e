"""`python -m local_runtime.store`: arguments, start, ready line, clean stop."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from local_runtime.store.door import Door
from local_runtime.store.expiry import Expiry
from local_runtime.store.journal import DataDirectoryHeld, Journal
from local_runtime.store.key import UnusableKey, kept_key
from local_runtime.store.queues import Queues
from local_runtime.store.service import Service
from local_runtime.store.signature import Signatures
from local_runtime.store.tables import Tables

DRAIN_SECONDS = 0.5
"""How long a stop waits for answers under way; the rest of the second is for closing the files."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit status 0 after a clean stop, 1 when it could not start."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, format="store %(levelname)s %(message)s", stream=sys.stderr)
    if options.verbose:
        logging.getLogger("local_runtime.store").setLevel(logging.DEBUG)
    if options.switch_interval:
        sys.setswitchinterval(options.switch_interval)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        journal = Journal(options.data)
        signatures = Signatures(kept_key(options.data))
    except (DataDirectoryHeld, UnusableKey) as error:
        print(f"slipway-store: {error}", file=sys.stderr)  # noqa: T201
        return 1
    tables, queues = Tables(journal), Queues(journal)
    try:
        door = Door(
            options.host, options.port, Service(tables, queues, signatures).handle, frozenset(options.allow_host)
        )
    except OSError as error:
        print(f"slipway-store: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    expiry = Expiry(tables, options.sweep_seconds)
    expiry.start()
    threading.Thread(target=door.serve, name="door", daemon=True).start()
    _announce(door.url, options.ready_file)
    stop.wait()
    door.close()
    expiry.stop()
    queues.close()
    door.drain(DRAIN_SECONDS)
    tables.close()
    journal.close()
    return 0


def _announce(url: str, ready_file: Path | None) -> None:
    if ready_file:
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        draft.write_text(f"{url}\n")
        draft.replace(ready_file)
    print(f"ready {url}", flush=True)  # noqa: T201


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local_runtime.store", description="Serve DynamoDB and SQS on this machine, until told to stop."
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the data is, made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--ready-file", type=Path, metavar="PATH", help="where to write the URL once requests are served"
    )
    parser.add_argument("--allow-remote", action="store_true", help="allow a --host that other machines can reach")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further Host name to answer to"
    )
    parser.add_argument("--sweep-seconds", type=float, default=60, metavar="N", help="pause between two TTL sweeps")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    parser.add_argument("--switch-interval", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.allow_remote and not _is_loopback(options.host):
        parser.error(f"{options.host} can be reached from other machines; say --allow-remote if that is meant")
    return options


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
