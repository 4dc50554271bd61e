"""`python -m local_runtime.server`: serve the API at DD_SERVER_HOST:DD_SERVER_PORT until told to stop.

Standard output is for the supervisor, see `serving.serve`; the log goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys

from chalicelib.bootstrap import BadSetting, services
from chalicelib.wire.log_line import log_to
from local_runtime.server.serving import serve


def main() -> None:
    """Serve, then leave at once."""
    argparse.ArgumentParser(prog="python -m local_runtime.server", description=__doc__).parse_args()
    try:
        real = services()
    except BadSetting as wrong:
        sys.exit(str(wrong))
    log_to(sys.stderr, real.settings.log_level)
    serve(real, real.settings.host, real.settings.port)
    # A handler may still wait minutes for a host in its thread. Its command is in the store, so nothing is lost.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
