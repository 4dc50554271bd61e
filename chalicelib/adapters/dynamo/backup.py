"""Remembered images in DynamoDB, by identity and time."""

from __future__ import annotations

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import BackupModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Identity
from chalicelib.wire import backup as wire
from chalicelib.wire import moment


class DynamoBackups:
    """One item per backup; its key is `watcher/name#time#id`."""

    def add(self, backup: Backup) -> None:
        """Remember one."""
        item = BackupModel(backup.identity.agent, _key(backup), backup=blob.pack(wire.store(backup)))
        with translated(f"backups of {backup.identity.name}"):
            item.save()

    def of(self, identity: Identity) -> list[Backup]:
        """Those of one identity, newest first."""
        with translated(f"backups of {identity.name}"):
            items = BackupModel.query(
                identity.agent,
                BackupModel.key.startswith(f"{identity.key}#"),
                scan_index_forward=False,
                consistent_read=True,
            )
            return [_read(item) for item in items]

    def of_agent(self, agent: str) -> list[Backup]:
        """Those of all containers of an agent, newest first."""
        with translated(f"backups of {agent}"):
            found = [_read(item) for item in BackupModel.query(agent)]
        return sorted(found, key=lambda backup: backup.at, reverse=True)

    def keep(self, identity: Identity, count: int) -> None:
        """Forget all but the newest `count` of one identity."""
        old = self.of(identity)[count:]
        with translated(f"backups of {identity.name}"):
            for backup in old:
                BackupModel(identity.agent, _key(backup)).delete()


def _key(backup: Backup) -> str:
    return f"{backup.identity.key}#{moment.write(backup.at)}#{backup.id}"


def _read(item: BackupModel) -> Backup:
    return wire.load(Identity.of(item.agent, item.key.partition("#")[0]), blob.unpack(item.backup))
