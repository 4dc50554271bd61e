"""What is documented holds from the first moment: nothing was ever scanned, updated, sampled or told of."""

from __future__ import annotations

import json

import pytest

from tests.builders.api import SCHEMA, Api, conform
from tests.builders.containers import container
from tests.fakes.looking_host import LookingHost

WEB = container("web", status="exited")
READS = {
    name.removeprefix("GET "): answers
    for name, answers in json.loads(SCHEMA.read_text())["x-routes"].items()
    if name.startswith("GET ") and not name.endswith("/stream")
}


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("known", [True, False], ids=["one container", "none"])
def test_a_read_answers_in_its_documented_shape(api: Api, path: str, known: bool) -> None:
    api.host = LookingHost(api.services)
    vars(api.services)["queue"] = api.host
    if known:
        api.add(WEB)
    answer = api.get(f"/api/v1{path.replace('{id}', WEB.id)}")
    definition = READS[path][str(answer.status)]
    if definition != "text/plain":
        conform(definition, answer.json)
    assert known or "{id}" not in path or answer.status == 404
