"""Update policies in DynamoDB, by identity and revision."""

from __future__ import annotations

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.changes import POLICIES, announce
from chalicelib.adapters.dynamo.models import PolicyModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.container import Identity
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.wire import policy as wire


class DynamoPolicies:
    """One item per identity that ever had a policy."""

    def get(self, identity: Identity) -> tuple[Policy, int]:
        """The policy and its revision."""
        with translated(f"policy of {identity.name}"):
            try:
                item = PolicyModel.get(identity.agent, identity.key, consistent_read=True)
            except PolicyModel.DoesNotExist:
                return NO_POLICY, 0
        return wire.read(blob.unpack(item.policy)), int(item.revision)

    def put(self, identity: Identity, policy: Policy, revision: int) -> None:
        """Replace the policy read at that revision."""
        condition = PolicyModel.revision == revision if revision else PolicyModel.agent.does_not_exist()
        item = PolicyModel(identity.agent, identity.key, revision=revision + 1, policy=blob.pack(wire.write(policy)))
        with translated(f"policy of {identity.name}"):
            item.save(condition=condition)
        announce(identity.agent, POLICIES)
