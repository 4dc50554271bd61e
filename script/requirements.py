"""Pins: compiles each requirements.in with uv, tests after machine, and carries the versions to the Lambda bundle."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from local_runtime.host.environment import UV

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")


def main(upgrade: bool) -> int:
    """Write the pinned files; 0, or the exit code of uv."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", UV], check=True)
        uv = str(Path(sys.executable).parent / "uv")
    # Both closures agree: the machine's pins constrain the tests'.
    for folder, constraints in (("local_runtime", []), ("tests", ["--constraints", "local_runtime/requirements.txt"])):
        status = compile_pins(uv, folder, [*constraints, *(["--upgrade"] if upgrade else [])])
        if status != 0:
            return status
    for bundle in ("requirements.txt", "infra/senders.txt"):
        carry_over(pins(ROOT / "local_runtime/requirements.txt"), ROOT / bundle)
    return 0


def compile_pins(uv: str, folder: str, more: list[str]) -> int:
    """Compile one requirements.in, keeping the comment its result opens with."""
    target = ROOT / folder / "requirements.txt"
    opening = "".join(line for line in target.read_text().splitlines(keepends=True) if line.startswith("#"))
    command = [uv, "pip", "compile", f"{folder}/requirements.in", "-o", str(target), "--universal", "--quiet"]
    done = subprocess.run(
        [*command, "--python-version", "3.11", "--no-header", "--no-annotate", *more], cwd=ROOT, check=False
    )
    if done.returncode == 0:
        target.write_text(opening + target.read_text())
    return done.returncode


def pins(file: Path) -> dict[str, str]:
    """The versions a requirements file pins, by name."""
    found = (PIN.match(line) for line in file.read_text().splitlines())
    return {match["name"].lower(): match["version"] for match in found if match}


def carry_over(versions: dict[str, str], file: Path) -> None:
    """Give every pin in the file the version it has elsewhere."""
    lines = []
    for line in file.read_text().splitlines():
        match = PIN.match(line)
        known = match and versions.get(match["name"].lower())
        lines.append(f"{match['name']}=={known}{line[match.end() :]}" if match and known else line)
    file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main("--upgrade" in sys.argv[1:]))
