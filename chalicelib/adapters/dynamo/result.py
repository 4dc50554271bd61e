"""Large answers to commands in DynamoDB: pieces below its limit for an item, deleted when they have been read."""

from __future__ import annotations

from datetime import datetime

from chalicelib.adapters.dynamo.models import ResultModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.command import RETENTION
from chalicelib.domain.errors import NotFound

PIECE = 300_000
_READ_AT_ONCE = 25


class DynamoResults:
    """One item per piece."""

    def put(self, agent: str, command_id: str, data: bytes, now: datetime) -> int:
        """Store it; how many pieces that takes."""
        expires = int((now + RETENTION).timestamp())
        pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
        with translated(f"the answer to {command_id}"), ResultModel.batch_write() as batch:
            for number, piece in enumerate(pieces):
                batch.save(ResultModel(agent, _key(command_id, number), data=piece, expires_at=expires))
        return len(pieces)

    def take(self, agent: str, command_id: str, pieces: int) -> bytes:
        """Read all pieces and delete them."""
        keys = [(agent, _key(command_id, number)) for number in range(pieces)]
        found: dict[str, bytes] = {}
        with translated(f"the answer to {command_id}"):
            for start in range(0, len(keys), _READ_AT_ONCE):
                for item in ResultModel.batch_get(keys[start : start + _READ_AT_ONCE], consistent_read=True):
                    found[item.key] = item.data
            with ResultModel.batch_write() as batch:
                for key in found:
                    batch.delete(ResultModel(agent, key))
        if len(found) < pieces:
            raise NotFound(f"The answer to {command_id} is no longer there; ask again.")
        return b"".join(found[key] for _, key in keys)


def _key(command_id: str, number: int) -> str:
    return f"{command_id}#{number:04d}"
