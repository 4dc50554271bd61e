"""Slipway on one machine, in one command: store, server and executor under a supervisor."""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from local_runtime.host import engine
from local_runtime.programs import ROOT, Address, Program, port_problem, settings

ADVICE_DATA = "give this one a directory of its own:  script/server --data DIR"


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, with the environment's DD_SERVER_* and SLIPWAY_DATA as defaults."""
    parser = argparse.ArgumentParser(prog="script/server", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="bring up a local registry and demo containers first")
    port, host = os.environ.get("DD_SERVER_PORT", "3000"), os.environ.get("DD_SERVER_HOST", "127.0.0.1")
    data = Path(os.environ.get("SLIPWAY_DATA", ROOT / ".slipway"))
    shown = "(default: %(default)s)"
    parser.add_argument("--port", type=_port, default=port, metavar="N", help=f"where the API listens {shown}")
    parser.add_argument("--host", default=host, metavar="H", help=f"and at which address {shown}")
    parser.add_argument("--data", type=Path, default=data, metavar="DIR", help=f"where everything is kept {shown}")
    options = parser.parse_args(arguments)
    options.data = options.data.absolute()
    return options


def main(arguments: Sequence[str], programs: Mapping[str, Program] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; 0 then, 1 when it cannot start. `programs` replaces programs by name."""
    # Only `--help` must work before the environment is made.
    options = options_of(arguments)
    from local_runtime.supervisor import DataDirectory, DataInUse, DataOpen

    address = Address(options.host, options.port)
    wrong = _wrong_setting(address, options.data)
    if wrong is not None:
        return _refuse(wrong)
    with ExitStack() as held:
        try:
            data = held.enter_context(DataDirectory(options.data, int(os.environ.get("SUDO_UID") or 0)))
        except DataInUse as refused:
            return _refuse(f"{refused}; stop it, or {ADVICE_DATA}")
        except DataOpen as refused:
            return _refuse(f"{refused}, or {ADVICE_DATA}")
        except OSError as failure:
            return _refuse(f"cannot use the data directory {options.data}: {failure.strerror}")
        problem = port_problem(address)
        if problem is not None:
            return _refuse(problem)
        try:
            return _serve(address, data, options.demo, programs)
        except KeyboardInterrupt:
            return 0


def _wrong_setting(address: Address, data: Path) -> str | None:
    """What server and executor would refuse to start with, each time they were started again."""
    from chalicelib.config import BadSetting, load

    try:
        load(settings(os.environ, address, data, None))
    except BadSetting as wrong:
        return str(wrong)
    return None


def _serve(address: Address, data: Path, demo: bool, programs: Mapping[str, Program] | None) -> int:
    from local_runtime.panel import Screen
    from local_runtime.supervisor import Supervisor

    environment = dict(os.environ)
    socket = engine.chosen_socket()
    answers = socket is not None and _bring_up_engine(socket, environment, data)
    note = None
    if demo:
        if socket is None or not answers:
            return _refuse("the demo needs a Docker Engine on this machine")
        if not _bring_up_demo(environment, address, socket, data):
            return 1
        note = demo_note(environment, data)
    elif socket is not None and not answers:
        say("going on without an engine; the watcher will show the error")
    screen = Screen(data, note)
    asyncio.run(Supervisor(address, data, environment, screen.show, screen.announce, programs).run())
    return 0


def _bring_up_engine(socket: Path, environment: dict[str, str], data: Path) -> bool:
    if socket != engine.DEFAULT_SOCKET:
        environment["DD_WATCHER_LOCAL_SOCKET"] = str(socket)
    try:
        engine.ensure(socket, data, say)
    except engine.EngineUnavailable as reason:
        say(str(reason))
        return False
    return True


def _bring_up_demo(environment: dict[str, str], address: Address, socket: Path, data: Path) -> bool:
    from local_runtime.demo.stage import DemoFailed, Stage

    try:
        stage = Stage.at(socket, data, say)
        try:
            stage.up()
        finally:
            stage.close()
    except DemoFailed as failure:
        say(f"the demo could not be set up: {failure}")
        return False
    environment.setdefault("DD_WATCHER_LOCAL_WATCHALL", "true")
    if address.host in ("127.0.0.1", "::1", "localhost"):
        environment.setdefault("DD_ANONYMOUS_AUTH_CONFIRM", "true")
    return True


def demo_note(environment: Mapping[str, str], data: Path) -> str:
    """What a person must know of the demo: whether there is a password, and how it goes away again."""
    elsewhere = "" if data == ROOT / ".slipway" else f" --data {shlex.quote(str(data))}"
    remove = f"remove it with  script/demo --down{elsewhere}"
    return f"no password; {remove}" if environment.get("DD_ANONYMOUS_AUTH_CONFIRM") == "true" else remove


def say(text: str) -> None:
    """Tell the person at the terminal what happens."""
    sys.stderr.write(f"slipway: {text}\n")
    sys.stderr.flush()


def _refuse(text: str) -> int:
    say(text)
    return 1


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; ports go from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
