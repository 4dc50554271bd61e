"""`python -m tests.integration.stand_ins.supervised …`: the real command line over the stand-in programs."""

import sys

from local_runtime.__main__ import main
from local_runtime.programs import Program

PROGRAMS = {name: Program(name, f"tests.integration.stand_ins.{name}") for name in ("store", "server", "executor")}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], PROGRAMS))
