"""The container object of the API, and the two parts it is stored in: its document, opened late, and its facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from chalicelib.domain import labels as label_rules
from chalicelib.domain.collation import name_key
from chalicelib.domain.container import (
    LOCAL_AGENT,
    NO_UPDATE,
    Candidate,
    Container,
    Details,
    Digest,
    EnvEntry,
    Identity,
    Image,
    Platform,
    Result,
    Tag,
    UpdateKind,
    Wishes,
)
from chalicelib.domain.environment import MASK
from chalicelib.domain.fleet import Entry, Listing
from chalicelib.domain.routing import with_image_set
from chalicelib.domain.source import source_of
from chalicelib.domain.standing import Standing
from chalicelib.wire import moment, operation, policy, security

Json = dict[str, Any]

_WISHES = {
    "include_tags": "includeTags",
    "exclude_tags": "excludeTags",
    "transform_tags": "transformTags",
    "tag_family": "tagFamily",
    "link_template": "linkTemplate",
    "trigger_include": "triggerInclude",
    "trigger_exclude": "triggerExclude",
}
_PRIVATE_WISHES = ("watch", "watch_digest", "lookup_image", "group", "source_repo")


def present(entry: Entry, standing: Standing, *, vulnerabilities: bool = True) -> Json:
    """The container object as the API answers it: the stored document with what is true of it at this moment."""
    body = dict(entry.listing.read())
    body["updateAvailable"] = standing.update_available
    if standing.age is not None:
        body["updateAge"] = standing.age // timedelta(milliseconds=1)
        body["updateMaturityLevel"] = standing.maturity
    body |= policy.write_layers(entry.layers, entry.policy)
    if entry.operation is not None:
        body["updateOperation"] = operation.write_active(entry.operation)
    if not vulnerabilities and "security" in body:
        body["security"] = _without_vulnerabilities(body["security"])
    return body


def document(container: Container) -> Json:
    """What is stored of a container and answered as it is: nothing that changes with time alone, and no secret."""
    body: Json = {
        "id": container.id,
        "name": container.name,
        "displayName": container.display_name,
        "displayIcon": container.display_icon,
        "status": container.status,
        "health": container.health,
        "watcher": container.identity.watcher,
        "agent": None if container.identity.agent == LOCAL_AGENT else container.identity.agent,
        "identityKey": identity_key(container.identity),
        **{wire: getattr(container.wishes, name) for name, wire in _WISHES.items()},
        "link": container.link,
        "image": _image(container.image),
        "result": _result(container.result) if container.result is not None else None,
        "error": {"message": container.error} if container.error else None,
        "updateKind": _update_kind(container.update),
        "sourceRepo": source_of(container),
        "security": security.write(container.security),
        "labels": dict(container.labels),
        "details": _details(container.details),
    }
    if container.candidate is not None:
        body["updateDetectedAt"] = body["firstSeenAt"] = moment.write(container.candidate.detected_at)
    return _present_members(body)


def facts(container: Container) -> Json:
    """What lists filter, sort and count by, and what the document keeps from clients; short, for it is read for all."""
    candidate = container.candidate
    return _present_members(
        {
            "id": container.id,
            "dn": container.display_name,
            "st": container.status,
            "tag": container.image.tag.value,
            "up": _update_list(container.update),
            "seen": moment.write(candidate.detected_at) if candidate else None,
            "pub": moment.write_optional(candidate.published_at) if candidate else None,
            "dig": candidate.digest if candidate else None,
            "made": moment.write_optional(container.image.created),
            "w": container.labels.get("dd.watch", container.labels.get("wud.watch", "")).lower() == "true" or None,
            "wish": _present_members({name: getattr(container.wishes, name) for name in _PRIVATE_WISHES}) or None,
            "app": moment.write_optional(container.applied_at),
            "ref": container.image.reference or None,
            "sev": container.security.severe or None,
            "block": container.security.blocked,
            "was": list(container.former_ids) or None,
            "inh": list(container.inherited_labels) or None,
            "lp": policy.write(label_rules.policy(container.own_labels)) or None,
            "wp": policy.write(container.watcher_policy) or None,
        }
    )


def listing(identity: Identity, stored: Json, read: Callable[[], Mapping[str, Any]]) -> Listing:
    """The stored facts as a listing; `read` opens the document."""
    update = _read_update_list(stored.get("up"))
    return Listing(
        identity=identity,
        id=stored["id"],
        display_name=stored["dn"],
        status=stored["st"],
        tag=stored["tag"],
        update=update,
        candidate=_candidate(stored, update),
        image_created=moment.read_optional(stored.get("made")),
        watched=stored.get("w", False),
        group=stored.get("wish", {}).get("group"),
        severe=stored.get("sev", False),
        blocked=stored.get("block"),
        reference=stored.get("ref", ""),
        former_ids=tuple(stored.get("was", ())),
        name_key=name_key(identity.name),
        read=read,
        routing=lambda: _routing(read()),
        label_policy=policy.read_optional(stored.get("lp")),
        watcher_policy=policy.read_optional(stored.get("wp")),
    )


def _routing(body: Mapping[str, Any]) -> Mapping[str, str]:
    return with_image_set(body.get("labels") or {}, body.get("triggerInclude"), body.get("triggerExclude"))


def read_container(identity: Identity, stored: Json, body: Mapping[str, Any]) -> Container:
    """The container whose `facts` and `document` these are."""
    update = _read_update_list(stored.get("up"))
    wishes = {name: body.get(wire) for name, wire in _WISHES.items()} | stored.get("wish", {})
    return Container(
        identity=identity,
        id=stored["id"],
        display_name=stored["dn"],
        display_icon=body["displayIcon"],
        status=stored["st"],
        health=body.get("health"),
        wishes=Wishes(**wishes),
        labels=body.get("labels", {}),
        inherited_labels=tuple(stored.get("inh", ())),
        watcher_policy=policy.read_optional(stored.get("wp")),
        details=_read_details(body.get("details", {})),
        image=_read_image(body["image"], stored.get("ref", "")),
        result=_read_result(body["result"]) if "result" in body else None,
        error=body.get("error", {}).get("message"),
        update=update,
        candidate=_candidate(stored, update),
        link=body.get("link"),
        security=security.read(body.get("security"), stored.get("block")),
        former_ids=tuple(stored.get("was", ())),
        applied_at=moment.read_optional(stored.get("app")),
    )


def revealed(env: Sequence[EnvEntry]) -> Json:
    """An environment with its true values: for the one answer that may hold them."""
    return {"env": [{"key": one.key, "value": one.value, "sensitive": one.sensitive} for one in env]}


def identity_key(identity: Identity) -> str:
    """`agent::watcher::name`; the agent is empty for the local one."""
    agent = "" if identity.agent == LOCAL_AGENT else identity.agent
    return f"{agent}::{identity.watcher}::{identity.name}"


def _present_members(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}


def _without_vulnerabilities(security: Mapping[str, Any]) -> Json:
    return {
        name: {**part, "vulnerabilities": []} if name in ("scan", "updateScan") else part
        for name, part in security.items()
    }


def _image(image: Image) -> Json:
    return _present_members(
        {
            "id": image.id,
            "registry": _present_members(
                {"name": image.registry_name, "url": image.registry_url, "lookupImage": image.lookup_image}
            ),
            "name": image.name,
            "tag": _present_members(
                {"value": image.tag.value, "semver": image.tag.semver, "tagPrecision": image.tag.precision}
            ),
            "digest": _present_members(
                {
                    "watch": image.digest.watch,
                    "value": image.digest.value,
                    "repo": image.digest.repo,
                    "repoDigests": list(image.digest.repo_digests) or None,
                }
            ),
            "architecture": image.platform.architecture,
            "os": image.platform.os,
            "variant": image.platform.variant,
            "created": moment.write_optional(image.created),
        }
    )


def _read_image(body: Mapping[str, Any], reference: str) -> Image:
    registry, tag, digest = body["registry"], body["tag"], body["digest"]
    return Image(
        id=body["id"],
        registry_name=registry["name"],
        registry_url=registry["url"],
        name=body["name"],
        tag=Tag(tag["value"], tag["semver"], tag.get("tagPrecision")),
        digest=Digest(digest["watch"], digest.get("value"), digest.get("repo"), tuple(digest.get("repoDigests", ()))),
        platform=Platform(body["architecture"], body["os"], body.get("variant")),
        created=moment.read_optional(body.get("created")),
        lookup_image=registry.get("lookupImage"),
        reference=reference,
    )


def _result(result: Result) -> Json:
    return _present_members(
        {
            "tag": result.tag,
            "suggestedTag": result.suggested_tag,
            "digest": result.digest,
            "created": moment.write_optional(result.created),
            "publishedAt": moment.write_optional(result.published_at),
            "publishedAtTrusted": result.published_at_trusted or None,
            "link": result.link,
            "noUpdateReason": result.no_update_reason,
        }
    )


def _read_result(body: Mapping[str, Any]) -> Result:
    return Result(
        tag=body.get("tag"),
        suggested_tag=body.get("suggestedTag"),
        digest=body.get("digest"),
        created=moment.read_optional(body.get("created")),
        published_at=moment.read_optional(body.get("publishedAt")),
        published_at_trusted=body.get("publishedAtTrusted", False),
        link=body.get("link"),
        no_update_reason=body.get("noUpdateReason"),
    )


def _update_kind(update: UpdateKind) -> Json:
    return _present_members(
        {
            "kind": update.kind,
            "localValue": update.local_value,
            "remoteValue": update.remote_value,
            "semverDiff": update.semver_diff,
        }
    )


def _update_list(update: UpdateKind) -> list[str | None] | None:
    if update == NO_UPDATE:
        return None
    return [update.kind, update.local_value, update.remote_value, update.semver_diff]


def _read_update_list(stored: list[Any] | None) -> UpdateKind:
    return UpdateKind(*stored) if stored else NO_UPDATE


def _candidate(stored: Json, update: UpdateKind) -> Candidate | None:
    if "seen" not in stored:
        return None
    return Candidate(update, moment.read(stored["seen"]), moment.read_optional(stored.get("pub")), stored.get("dig"))


def _details(details: Details) -> Json:
    env = [
        {"key": entry.key, "value": MASK if entry.sensitive else entry.value, "sensitive": entry.sensitive}
        for entry in details.env
    ]
    return _present_members(
        {
            "ports": list(details.ports),
            "volumes": list(details.volumes),
            "env": env,
            "startedAt": moment.write_optional(details.started_at),
        }
    )


def _read_details(body: Mapping[str, Any]) -> Details:
    return Details(
        ports=tuple(body.get("ports", ())),
        volumes=tuple(body.get("volumes", ())),
        env=tuple(EnvEntry(**entry) for entry in body.get("env", ())),
        started_at=moment.read_optional(body.get("startedAt")),
    )
