"""The executor's stand-in."""

from tests.integration.stand_ins.program import run

run("executor")
