"""Stands in for trivy, grype, syft and cosign: it notes how it was called and replays what `scenario.json` says.

The scenario lies beside the program, under its name: a list of `{"when": word of the command line, "told": words of its
environment or Docker's configuration, "output": file, "error": text, "complaint": file of such text, "code": exit code,
"does": hang | die | flood | babble}`; the first that fits is played.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

here = Path(sys.argv[0]).parent
name = Path(sys.argv[0]).name
begun = time.time()
scenes = json.loads((here / "scenario.json").read_text()).get(name, [])
config = Path(os.environ.get("DOCKER_CONFIG", "/nonexistent")) / "config.json"
told = json.dumps(dict(os.environ)) + (config.read_text() if config.exists() else "")
scene = next(
    (
        one
        for one in scenes
        if one.get("when", "") in " ".join(sys.argv) and all(word in told for word in one.get("told", ()))
    ),
    {"code": 1, "error": "no scene"},
)
call = {"tool": name, "argv": sys.argv[1:], "env": dict(os.environ), "begun": begun, "pid": os.getpid()}
call["cwd"] = str(Path.cwd())
if config.exists():
    call["docker_config"] = json.loads(config.read_text())
    call["docker_config_mode"] = config.stat().st_mode & 0o777
time.sleep(scene.get("seconds", 0))
call["ended"] = time.time()
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(call) + "\n")
does = scene.get("does")
if does == "hang":
    if os.fork() == 0:
        (here / "child.pid").write_text(str(os.getpid()))
    time.sleep(600)
if does == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if does == "flood":
    while True:
        sys.stdout.write("x" * 65536)
if does == "babble":
    sys.stdout.write("\x00\xff not a report {" * 50)
if "output" in scene:
    sys.stdout.buffer.write(Path(scene["output"]).read_bytes())
sys.stderr.write(scene.get("error", "") + (Path(scene["complaint"]).read_text() if "complaint" in scene else ""))
sys.exit(scene.get("code", 0))
