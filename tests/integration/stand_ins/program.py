"""A child of the supervisor: says who it is and where it was pointed to, then waits for the end.

STAND_IN_<NAME> in the environment changes its ways: `dies` ends it once after being ready, `stubborn` ignores TERM.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def run(name: str) -> None:
    data = Path(os.environ["SLIPWAY_DATA"])
    ways = os.environ.get(f"STAND_IN_{name.upper()}", "")
    with (data / f"{name}.starts").open("a") as starts:
        starts.write(f"{os.getpid()} {time.monotonic()} {os.environ.get('AWS_ENDPOINT_URL_DYNAMODB', '')}\n")
    if ways == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "300"])
    first = len((data / f"{name}.starts").read_text().splitlines()) == 1
    if ways == "dies" and not first:
        print("second life", flush=True)
    listener = None
    if name == "store":
        listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
        print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    elif name == "server":
        address = (os.environ["DD_SERVER_HOST"], int(os.environ["DD_SERVER_PORT"]))
        listener = socket.create_server(address)
        if first:
            print("admin-password open-sesame", flush=True)
        print(f"ready http://{address[0]}:{address[1]}", flush=True)
    else:
        print("ready agent local", flush=True)
    if ways == "dies" and first:
        print("about to fall", flush=True)
        sys.exit(3)
    while True:
        time.sleep(0.2)
