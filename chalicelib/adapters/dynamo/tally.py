"""The tally of the audit log in DynamoDB: one item, carried on by whoever counts."""

from __future__ import annotations

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import AccessModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.tally import Tally
from chalicelib.wire import tally as wire

_KIND, _NAME = "tally", "audit"


class DynamoTallies:
    """Beside accounts: one more thing that all instances share and that outlives them."""

    def get(self) -> tuple[Tally | None, int]:
        """The tally and its revision."""
        with translated("the tally"):
            try:
                item = AccessModel.get(_KIND, _NAME, consistent_read=True)
            except AccessModel.DoesNotExist:
                return None, 0
        return wire.read(blob.unpack(item.value)), int(item.revision or 0)

    def put(self, tally: Tally, revision: int) -> None:
        """Replace the one read at that revision."""
        condition = AccessModel.revision == revision if revision else AccessModel.kind.does_not_exist()
        item = AccessModel(_KIND, _NAME, value=blob.pack(wire.store(tally)), revision=revision + 1)
        with translated("the tally"):
            item.save(condition=condition)
