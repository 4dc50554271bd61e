"""A container that compose made, on a real engine: it moves and its file follows; a failed move changes no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.operation import Phase
from chalicelib.domain.trigger_settings import read
from chalicelib.settings_triggers import TriggerSettings
from tests.builders.composed import labels
from tests.docker.executing import executing
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import CRASHES, Site
from tests.store_process import running_store

TRIGGERS = TriggerSettings(read({"DD_ACTION_DOCKERCOMPOSE_MAIN": ""}).triggers)


@pytest.fixture(scope="module")
def site(engine_host: EngineHost, registry: ImageRegistry) -> Site:
    made = Site(engine_host, registry, "composed")
    for tag in ("1", "2"):
        made.publish(tag)
    made.publish("crash", CRASHES)
    return made


@pytest.mark.parametrize(("tag", "phase"), [("2", Phase.SUCCEEDED), ("crash", Phase.ROLLED_BACK)])
def test_the_file_says_what_runs(site: Site, tmp_path: Path, tag: str, phase: Phase) -> None:
    name = f"composed-{tag}"
    file = tmp_path / "compose.yml"
    hook = f"[{{command: sh -c 'echo $$WHO {tag} >> /data/started', environment: [WHO=me], user: root}}]"
    text = f"services:\n  web:\n    image: {site.reference('1')}  # runs\n    post_start: {hook}\n"
    file.write_text(text)
    subject = site.run(name, Labels=labels(file))
    try:
        with (
            running_store(tmp_path / "store") as store,
            executing(site, store.url, tmp_path, triggers=TRIGGERS) as running,
        ):
            running.watch()
            ended = running.update(subject, tag, trigger="dockercompose.main")
            rows = [
                one.status for one in running.services.audit.newest([running.agent], 50) if one.action == "compose-file"
            ]
        assert ended.phase is phase
        assert rows == (["success"] if phase is Phase.SUCCEEDED else [])
        runs = tag if phase is Phase.SUCCEEDED else "1"
        assert file.read_text() == text.replace(site.reference("1"), site.reference(runs))
        found = site.inspect(name)
        assert found["Config"]["Image"] == site.reference(runs) and found["State"]["Running"]
        assert found["Config"]["Labels"]["com.docker.compose.service"] == "web"
        assert site.data(name) == subject.data
        started = site.host.cli("exec", name, "sh", "-c", "cat /data/started 2>/dev/null || true")
        assert started == ("me 2" if phase is Phase.SUCCEEDED else "")
    finally:
        site.remove(name)
