"""The demo's command line: up, down, status."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local_runtime.host import engine
from local_runtime.programs import ROOT

if TYPE_CHECKING:
    from local_runtime.demo.stage import Stage


ACTIONS = {
    "up": "start or repair registry and containers",
    "down": "remove all of it: containers, images, network, volume, registry",
    "status": "show the containers (the default)",
}


def main(arguments: Sequence[str]) -> int:
    """Put the demo up, take it down or show it; 0 when that went well, 1 when not."""
    options = _options(arguments)
    # Only `--help` must work before the environment is made.
    from local_runtime.demo.stage import DemoFailed, Stage

    socket = engine.chosen_socket() or engine.DEFAULT_SOCKET
    try:
        if options.action == "up":
            engine.ensure(socket, options.data, say)
        stage = Stage.at(socket, options.data, say)
        try:
            if options.action == "down":
                stage.down()
                say("the demo is gone: containers, images, network, volume, registry and its files")
            elif options.action == "up":
                stage.up()
            if options.action != "down":
                _show(stage)
        finally:
            stage.close()
    except (DemoFailed, engine.EngineUnavailable) as failure:
        say(str(failure))
        return 1
    if options.engine and not engine.stop(options.data, say):
        say("the Docker Engine is not one that Slipway started; it is left alone")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/demo", description="Put up, show or remove the demo.")
    action = parser.add_mutually_exclusive_group()
    for name, text in ACTIONS.items():
        action.add_argument(f"--{name}", dest="action", action="store_const", const=name, help=text)
    parser.add_argument("--engine", action="store_true", help="with --down: also stop an engine that we started")
    default = Path(os.environ.get("SLIPWAY_DATA", ROOT / ".slipway"))
    parser.add_argument("--data", type=Path, default=default, metavar="DIR", help=f"default: {default}")
    parser.set_defaults(action="status")
    options = parser.parse_args(arguments)
    if options.engine and options.action != "down":
        parser.error("--engine goes with --down")
    options.data = options.data.absolute()
    return options


def _show(stage: "Stage") -> None:
    lines = stage.status()
    address = stage.registry_address()
    sys.stdout.write(f"registry  {f'http://{address}' if address else 'not running'}\n")
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        sys.stdout.write(f"{line.name:<{width}}  {line.state:<20}  {line.image}\n")
    if not lines:
        sys.stdout.write("no demo containers; script/demo --up starts them\n")


def say(text: str) -> None:
    """Tell the person at the terminal what happens."""
    sys.stderr.write(f"slipway: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
