"""Each provider's request, captured where it arrives and compared with what that service documents."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.notify import guarded, kafka
from chalicelib.adapters.notify import web as own
from chalicelib.adapters.notify.guarded import judged_connections
from chalicelib.adapters.notify.mqtt import publications
from chalicelib.adapters.notify.sender import ProviderSender
from chalicelib.domain.notice import Event, Message
from chalicelib.domain.trigger_options import OPTIONS, secrets
from chalicelib.ports.notifications import NotSent
from chalicelib.wire.notice import message
from tests.builders.certificates import make_certificate
from tests.integration.receivers.broker import mqtt_broker
from tests.integration.receivers.mail import mail_receiver
from tests.integration.receivers.stream import kafka_broker
from tests.integration.receivers.web import Receiver, web_receiver
from tests.integration.telling import BODY, PUSHED, TITLE, WEB, notice, tell, trigger


def test_http_posts_the_container(web: Receiver) -> None:
    tell(trigger("http", url=f"{web.url}/hook", auth_user="ada", auth_password="pass word"))
    sent = web.only
    assert (sent.method, sent.path) == ("POST", "/hook")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotency-key"] == "k" * 40
    assert sent.headers["authorization"] == "Basic YWRhOnBhc3Mgd29yZA=="
    assert (sent.json["id"], sent.json["name"], sent.json["updateAvailable"]) == (WEB.id, "web", True)


def test_http_posts_a_list_for_a_batch(web: Receiver) -> None:
    one = trigger("http", url=web.url, auth_type="bearer", auth_bearer="t0ken-t0ken", mode="batch")
    tell(one, notice(one), notice(one, "other"))
    assert [document["name"] for document in web.only.json] == ["web", "web"]
    assert web.only.headers["authorization"] == "Bearer t0ken-t0ken"


def test_http_logs_in_as_it_is_told(web: Receiver) -> None:
    both = {"url": web.url, "auth_user": "ada", "auth_password": "pass word", "auth_bearer": "t0ken"}
    for named, sent in (("basic", "Basic "), ("bearer", "Bearer t0ken")):
        tell(trigger("http", **both, auth_type=named))
        assert web.requests[-1].headers["authorization"].startswith(sent)


def test_http_goes_through_a_proxy(web: Receiver) -> None:
    with web_receiver() as proxy:
        tell(trigger("http", url="http://127.0.0.1:9/hook", proxy=proxy.url))
        assert (proxy.only.method, proxy.only.path) == ("POST", "/hook")
        with pytest.raises(NotSent, match="link-local or metadata"):
            tell(trigger("http", url="http://169.254.169.254/", proxy=proxy.url))
        assert len(proxy.requests) == 1


def test_http_says_which_event_a_container_is_sent_for(web: Receiver) -> None:
    one = trigger("http", url=web.url)
    tell(one, notice(one, event=Event.UPDATE_FAILED, error="Health check failed"))
    assert (web.only.json["event"], web.only.json["name"]) == ("update-failed", "web")
    assert "Health check failed" in web.only.json["body"]


def test_http_says_in_a_list_too_which_event_it_is_sent_for(web: Receiver) -> None:
    one = trigger("http", url=web.url, securitymode="batch")
    tell(one, notice(one, event=Event.SECURITY_ALERT, details="web:1.2.3: 1 critical (trivy)"))
    (said,) = web.only.json
    assert (said["event"], said["name"], said["title"]) == ("security-alert", "web", "Security alerts for web")
    assert said["body"] == "- web: web:1.2.3: 1 critical (trivy)"


def test_http_never_posts_a_secret_of_the_container(web: Receiver) -> None:
    tell(trigger("http", url=web.url))
    assert b"s3cret" not in web.only.body
    assert {"key": "DATABASE_PASSWORD", "value": "***", "sensitive": True} in web.only.json["details"]["env"]


def test_ntfy(web: Receiver) -> None:
    tell(trigger("ntfy", url=web.url, topic="news", priority=4, auth_token="tk_abcdefgh12345678"))
    sent = web.only
    assert sent.method == "POST"
    said = sent.json if sent.body.startswith(b"{") else {"topic": sent.path.strip("/"), "message": sent.body.decode()}
    assert (said["topic"], said["message"].strip()) == ("news", BODY)
    assert sent.headers.get("x-title", said.get("title")) == TITLE
    assert str(sent.headers.get("x-priority", said.get("priority"))) in ("4", "high")
    assert sent.headers["authorization"] == "Bearer tk_abcdefgh12345678"


def test_gotify(web: Receiver) -> None:
    tell(trigger("gotify", url=web.url, token="A1b2C3d4E5f6G7h", priority=8))
    sent = web.only
    assert (sent.method, sent.path.rstrip("/")) == ("POST", "/message")
    assert sent.headers["x-gotify-key"] == "A1b2C3d4E5f6G7h"
    assert (sent.json["title"], sent.json["message"], sent.json["priority"]) == (TITLE, BODY, 8)


def test_gotify_takes_back_by_a_clients_token_what_it_was_told(web: Receiver) -> None:
    one = trigger("gotify", url=f"{web.url}/base", token="AppToken1234", clienttoken="ClientToken1", priority=8)
    web.answer = b'{"id": 42, "appid": 1, "message": "x"}'
    told = message(one, (notice(one),), "k" * 40)
    assert ProviderSender().send(one, told) == "42"
    web.status = 404
    again = replace(message(one, (notice(one, event=Event.UPDATE_RESOLVED),), "k" * 40), receipts=["42", "43"])
    ProviderSender().send(one, again)
    assert [(sent.method, sent.path) for sent in web.requests] == [
        ("POST", "/base/message"), ("DELETE", "/base/message/42"), ("DELETE", "/base/message/43")
    ]  # fmt: skip
    assert [sent.headers["x-gotify-key"] for sent in web.requests] == ["AppToken1234", "ClientToken1", "ClientToken1"]


def test_discord(web: Receiver) -> None:
    web.status = 204
    hook = f"{web.url}/api/webhooks/123456789012345678/token"
    tell(trigger("discord", url=hook, botusername="Slipway", botavatar="https://example.com/a.png"))
    assert (web.only.method, web.only.path) == ("POST", "/api/webhooks/123456789012345678/token")
    assert web.only.json == {
        "username": "Slipway",
        "avatar_url": "https://example.com/a.png",
        "embeds": [{"title": TITLE, "description": BODY, "color": 65280}],
    }


def test_discord_in_a_colour_and_under_a_label_of_ones_own(web: Receiver) -> None:
    web.status = 204
    tell(trigger("discord", url=web.url, cardcolor=255, cardlabel="Update", simplebody="x" * 2000))
    assert web.only.json == {
        "embeds": [{"title": TITLE, "color": 255, "fields": [{"name": "Update", "value": "x" * 1024}]}]
    }


def test_slack_by_token(web: Receiver) -> None:
    web.answer = b'{"ok": true, "channel": "C1", "ts": "1"}'
    tell(trigger("slack", token="xoxb-123456789012-123456789012-4ddbc191d40ee098cbaae6f3523ada2d", channel="general"))
    sent = web.requests[-1]
    assert (sent.host, sent.path) == ("slack.com", "/api/chat.postMessage")
    assert sent.headers["authorization"].startswith("Bearer xoxb-")
    assert sent.json["channel"].lstrip("#") == "general"
    assert BODY in json.dumps(sent.json)


def test_slack_by_webhook(web: Receiver) -> None:
    web.answer = b"ok"
    tell(trigger("slack", url="https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"))
    assert (web.only.host, web.only.path) == (
        "hooks.slack.com",
        "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    )


def test_googlechat(web: Receiver) -> None:
    url = "https://chat.googleapis.com/v1/spaces/AAAA1234/messages?key=theKeyOfIt1&token=theTokenOfIt1"
    tell(trigger("googlechat", url=url, threadkey="updates"))
    sent = web.only
    assert (sent.host, sent.path) == ("chat.googleapis.com", "/v1/spaces/AAAA1234/messages")
    assert (sent.query["key"], sent.query["token"]) == (["theKeyOfIt1"], ["theTokenOfIt1"])
    assert BODY in sent.json["text"]
    assert "updates" in json.dumps([sent.json, dict(sent.query)])


def test_ifttt(web: Receiver) -> None:
    tell(trigger("ifttt", key="theKeyOfIfttt", event="updated"))
    sent = web.only
    assert (sent.host, sent.path) == ("maker.ifttt.com", "/trigger/updated/with/key/theKeyOfIfttt")
    assert TITLE in sent.json.values() and BODY in sent.json.values()


def test_pushover_is_where_it_says_it_is() -> None:
    assert own.PUSHOVER == "https://api.pushover.net"


def test_pushover(web: Receiver) -> None:
    tell(trigger("pushover", **PUSHED, priority=1, sound="bike", device="phone", ttl=3600))
    assert (web.only.method, web.only.path) == ("POST", "/1/messages.json")
    assert web.only.json == PUSHED | {
        "title": TITLE, "message": BODY, "priority": 1, "sound": "bike", "device": "phone", "ttl": 3600
    }  # fmt: skip


def test_pushover_repeats_an_emergency_until_somebody_has_seen_it(web: Receiver) -> None:
    tell(trigger("pushover", **PUSHED, priority=2, html="true", disabletitle="true"))
    tell(trigger("pushover", **PUSHED, priority=2, retry=30, expire=600))
    first, second = (sent.json for sent in web.requests)
    assert (first["retry"], first["expire"], first["html"]) == (60, 3600, 1) and "title" not in first
    assert (second["retry"], second["expire"]) == (30, 600) and "html" not in second


def test_telegram_escapes_what_its_format_would_read(web: Receiver) -> None:
    web.answer = b'{"ok": true, "result": {}}'
    tell(trigger("telegram", bottoken="123456789:AABBCCDDEEFFaabbccddeeff00112233445", chatid="12315544",
                 messageformat="HTML", simplebody="<b> & ${name}"))  # fmt: skip
    sent = web.requests[-1]
    assert (sent.host, sent.path) == (
        "api.telegram.org",
        "/bot123456789:AABBCCDDEEFFaabbccddeeff00112233445/sendMessage",
    )
    assert (str(sent.json["chat_id"]), sent.json["parse_mode"]) == ("12315544", "HTML")
    assert "&lt;b&gt; &amp; web" in sent.json["text"]


def test_telegram_escapes_markdown_in_bold_titles_too(web: Receiver) -> None:
    web.answer = b'{"ok": true, "result": {}}'
    tell(trigger("telegram", bottoken="123456789:AABBCCDDEEFFaabbccddeeff00112233445", chatid="12315544",
                 simpletitle="my_app", simplebody="my_app *1.2-3* [x](y)"))  # fmt: skip
    said = web.only.json
    assert said["parse_mode"] == "MarkdownV2"
    assert said["text"] == "*my\\_app*\nmy\\_app \\*1\\.2\\-3\\* \\[x\\]\\(y\\)"


def test_matrix_sends_under_its_key_so_that_the_server_drops_a_second_one(web: Receiver) -> None:
    tell(trigger("matrix", url=web.url, roomid="!room:example.com", accesstoken="syt_token"))
    sent = web.only
    assert (sent.method, sent.path) == (
        "PUT",
        f"/_matrix/client/v3/rooms/%21room%3Aexample.com/send/m.room.message/{'k' * 40}",
    )
    assert sent.headers["authorization"] == "Bearer syt_token"
    assert sent.json == {"msgtype": "m.notice", "body": f"{TITLE}\n\n{BODY}"}


def test_mattermost(web: Receiver) -> None:
    tell(trigger("mattermost", url=f"{web.url}/hooks/abcdefgh12345678", channel="town", username="bot"))
    assert web.only.path == "/hooks/abcdefgh12345678"
    assert web.only.json == {"text": f"**{TITLE}**\n\n{BODY}", "channel": "town", "username": "bot"}


def test_rocketchat(web: Receiver) -> None:
    tell(trigger("rocketchat", url=web.url, user_id="uid1", auth_token="rc-token-1", channel="#ops", alias="Slipway"))
    sent = web.only
    assert (sent.path, sent.headers["x-auth-token"], sent.headers["x-user-id"]) == (
        "/api/v1/chat.postMessage",
        "rc-token-1",
        "uid1",
    )
    assert sent.json == {"text": f"*{TITLE}*\n\n{BODY}", "channel": "#ops", "alias": "Slipway"}


def test_teams_gets_an_adaptive_card(web: Receiver) -> None:
    tell(trigger("teams", url=f"{web.url}/workflows/abcdefgh12345678"))
    (attachment,) = web.only.json["attachments"]
    assert web.only.json["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")
    assert [block["text"] for block in attachment["content"]["body"]] == [TITLE, BODY]


def test_apprise_takes_any_address_of_its_own(web: Receiver) -> None:
    tell(trigger("apprise", url=f"json://127.0.0.1:{web.port}/first", urls=f"json://127.0.0.1:{web.port}/second"))
    assert {sent.path.rstrip("/") for sent in web.requests} == {"/first", "/second"}
    assert all((sent.json["title"], sent.json["message"]) == (TITLE, BODY) for sent in web.requests)


def test_a_title_can_be_left_out(web: Receiver) -> None:
    tell(trigger("mattermost", url=web.url, disabletitle="true"))
    assert web.only.json == {"text": BODY}


MAIL = {"user": "ada", "pass": "pass word", "to": "ops@example.com", "from": "slipway@example.com"}


def test_smtp() -> None:
    with mail_receiver() as mailbox:
        tell(trigger("smtp", host="127.0.0.1", port=mailbox.port, **MAIL))
    (mail,) = mailbox.mails
    assert (mailbox.sender, mailbox.recipients) == ("slipway@example.com", ["ops@example.com"])
    assert mailbox.login == "ada pass word"
    assert (mail["Subject"], mail["From"], mail["To"]) == (TITLE, "slipway@example.com", "ops@example.com")
    assert mail["Message-ID"] == f"<{'k' * 40}@slipway>"
    assert BODY in mail.get_body().get_content()  # type: ignore[union-attr]


def test_smtp_writes_to_many_by_name_and_keeps_headers_to_their_line() -> None:
    to = "Operations <ops@example.com>, ada@example.com"
    title = "${name}\r\nBcc: all@example.com\r\n\r\nHello ü"
    with mail_receiver() as mailbox:
        tell(trigger("smtp", host="127.0.0.1", port=mailbox.port, simpletitle=title, **MAIL | {"to": to}))
    (mail,) = mailbox.mails
    assert mailbox.recipients == ["ops@example.com", "ada@example.com"]
    assert mail["Subject"] == "web Bcc: all@example.com Hello ü" and mail["Bcc"] is None
    with pytest.raises(NotSent, match="`to` holds no address"):
        tell(trigger("smtp", host="127.0.0.1", port=mailbox.port, **MAIL | {"to": "nobody"}))


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
def test_smtp_logs_in_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    certificate, key = make_certificate(tmp_path)
    with mail_receiver((str(certificate), str(key)), at_once=at_once) as mailbox:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": mailbox.port, "tls_enabled": at_once, **MAIL}
        with pytest.raises(NotSent, match=r"not trusted \(`tls\.verify`\)"):
            tell(trigger("smtp", **options))
        assert (mailbox.mails, mailbox.login) == ([], None)
        tell(trigger("smtp", **options, tls_verify="false"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tell(trigger("smtp", **options))
    assert len(mailbox.mails) == 2 and mailbox.secured and mailbox.login == "ada pass word"


def test_mqtt_keeps_each_container_under_a_topic_of_its_own() -> None:
    with mqtt_broker() as broker:
        options = {"url": f"mqtt://127.0.0.1:{broker.port}", "user": "ada", "password": "pass word"}
        tell(trigger("mqtt", **options, clientid="me"))
    ((topic, payload, qos, retained),) = broker.published
    assert broker.login == ("me-kkkkkkkk", "ada", "pass word")
    assert (topic, qos, retained) == ("dd/container/local/web", 1, True)
    said = json.loads(payload)
    assert (said["id"], said["installed_version"], said["latest_version"]) == (WEB.id, "1.2.3", "1.3.0")
    assert said["labels_com_docker_compose_project"] == "demo"
    assert said["image_tag_value"] == "1.2.3" and said["update_available"] is True
    assert "s3cret" not in payload.decode()


def test_mqtt_logs_in_behind_tls_and_shows_a_certificate_of_its_own(tmp_path: Path) -> None:
    certificate, key = map(str, make_certificate(tmp_path))
    with mqtt_broker((certificate, key)) as broker:
        options = {"url": f"mqtts://127.0.0.1:{broker.port}", "user": "ada", "password": "pass word"}
        with pytest.raises(NotSent, match=r"certificate"):
            tell(trigger("mqtt", **options))
        assert broker.login is None
        tell(trigger("mqtt", **options, tls_rejectunauthorized="false"))
        assert broker.shown is None
        tell(trigger("mqtt", **options, tls_cachain=certificate, tls_clientcert=certificate, tls_clientkey=key))
    assert len(broker.published) == 2 and broker.login == ("slipway-kkkkkkkk", "ada", "pass word")
    assert broker.shown == ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())


def test_mqtt_tells_home_assistant_where_to_find_and_how_to_install() -> None:
    with mqtt_broker() as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        tell(trigger("mqtt", url=url, topic="wud/c", hass_enabled="true", hass_discovery="true"))
    (topic, payload, _, retained), (state_topic, _, _, _) = broker.published
    said: Mapping[str, Any] = json.loads(payload)
    assert (topic, retained) == ("homeassistant/update/wud_c_local_web/config", True)
    assert said["unique_id"] == "wud_c_local_web"
    assert said["state_topic"] == said["json_attributes_topic"] == state_topic == "wud/c/local/web"
    assert (said["command_topic"], said["payload_install"]) == ("wud/c/local/web/install", "install")
    assert {"value_template", "device", "name"} <= set(said)


def shown(**facts: Any) -> dict[str, Any]:
    """What Home Assistant is told of the container when these members differ, by topic."""
    one = trigger("mqtt", url="mqtt://127.0.0.1", hass_enabled="true", hass_discovery="true")
    document = {**message(one, (notice(one),), "k").documents[0], **facts}
    told = Message("k", Event.CONTAINER_REPORT, "", "", [document])
    return {topic: json.loads(payload) for topic, payload in publications(one, told)}


def test_containers_of_alike_names_and_of_other_agents_have_topics_and_ids_of_their_own() -> None:
    told = [shown(name=name) for name in ("a.b", "a-b", "a_b")]
    told += [shown(name="a-b", agent=agent) for agent in ("edge", "attic")]
    topics = [topic for one in told for topic in one]
    assert len(set(topics)) == 10
    assert "dd/container/local/a.b" in topics and "dd/container/edge.local/a-b" in topics
    entities = [one for found in told for topic, one in found.items() if topic.startswith("homeassistant/")]
    assert len({one["unique_id"] for one in entities}) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one["unique_id"]) for one in entities)
    devices = [(*one["device"]["identifiers"], one["device"]["name"]) for one in entities]
    assert devices[0] == devices[1] == devices[2] == ("dd_container_local", "Slipway local")
    assert len(set(devices)) == 3 and devices[3][1] == "Slipway edge local"


@pytest.mark.parametrize(
    ("icon", "shows"), [("mdi:database", "mdi:database"), ("mdi-database", "mdi:database"), ("hl-plex", "mdi:docker")]
)
def test_an_icon_that_home_assistant_would_refuse_is_not_sent(icon: str, shows: str) -> None:
    (entity,) = [one for topic, one in shown(displayIcon=icon).items() if topic.startswith("homeassistant/")]
    assert entity["icon"] == shows


def test_a_broker_that_lets_nobody_in_is_a_failure() -> None:
    with mqtt_broker() as broker:
        broker.refusal = 5
        with pytest.raises(NotSent, match="did not let us in"):
            tell(trigger("mqtt", url=f"mqtt://127.0.0.1:{broker.port}", user="ada", password="pass word"))


def test_kafka_takes_one_record_under_the_key() -> None:
    with kafka_broker() as stream:
        tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", topic="updates"))
    ((topic, key, value, headers),) = stream.records
    assert (topic, key, json.loads(value)["id"]) == ("updates", b"k" * 40, WEB.id)
    assert headers == {"idempotency-key": b"k" * 40, "event": b"update-available"}
    assert b"s3cret" not in value


LOGIN = {"authentication_type": "PLAIN", "authentication_user": "ada", "authentication_password": "sEcReT-pass"}


def test_kafka_logs_in_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with kafka_broker(password="sEcReT-pass", tls=(str(certificate), str(key))) as stream:
        tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", ssl="true", **LOGIN))
    assert [json.loads(value)["id"] for _, _, value, _ in stream.records] == [WEB.id]
    assert set(stream.logins) == {("PLAIN", b"ada\0ada\0sEcReT-pass")}


def test_kafka_trusts_no_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_PATIENCE", 1.0)
    with kafka_broker(tls=tuple(map(str, make_certificate(tmp_path)))) as stream:  # type: ignore[arg-type]
        with pytest.raises(NotSent, match=r"broker"):
            tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", ssl="true"))
        assert stream.records == []


def test_kafka_says_that_a_password_is_wrong_but_not_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(kafka, "_PATIENCE", 1.0)
    with kafka_broker(password="another") as stream:
        with pytest.raises(NotSent) as caught:
            tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", **LOGIN))
        assert stream.records == [] and stream.logins
    assert "sEcReT" not in str(caught.value) + caplog.text


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_proves_a_password_without_saying_it(mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    login = LOGIN | {"authentication_type": mechanism}
    with kafka_broker(password="sEcReT-pass") as stream:
        tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", **login))
    assert [json.loads(value)["id"] for _, _, value, _ in stream.records] == [WEB.id]
    assert {said for said, _ in stream.logins} == {mechanism}
    assert not [said for _, said in stream.logins if b"sEcReT" in said]
    monkeypatch.setattr(kafka, "_PATIENCE", 1.0)
    with kafka_broker(password="another") as stream:
        with pytest.raises(NotSent):
            tell(trigger("kafka", brokers=f"127.0.0.1:{stream.port}", **login))
        assert stream.records == [] and stream.logins


def test_kafka_is_not_led_to_metadata_either() -> None:
    with pytest.raises(NotSent, match="link-local or metadata"):
        tell(trigger("kafka", brokers="127.0.0.1:9092, 169.254.169.254:9092"))


def test_a_command_has_the_container_in_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = tell(trigger("command", cmd=f"env > {out}", env="HANDED_ON"))
    seen = dict(line.split("=", 1) for line in out.read_text().splitlines() if "=" in line)
    assert (seen["name"], seen["image_tag_value"], seen["updateKind_remoteValue"]) == ("web", "1.2.3", "1.3.0")
    assert json.loads(seen["container_json"])["id"] == WEB.id
    assert seen["DD_TITLE"] == told.title
    assert seen["HANDED_ON"] == "yes" and "NOT_NAMED" not in seen
    assert not [name for name in seen if name.startswith(("AWS_", "SLIPWAY_"))]


def test_a_command_that_fails_says_how() -> None:
    with pytest.raises(NotSent, match="ended with 3: it broke"):
        tell(trigger("command", cmd="echo it broke >&2; exit 3"))


def test_a_command_that_repeats_a_secret_it_was_handed_is_not_quoted() -> None:
    one = trigger("command", cmd="echo $DEPLOY_TOKEN for $PLACE >&2; exit 1", env="DEPLOY_TOKEN,PLACE")
    told = message(one, (notice(one),), "k")
    with pytest.raises(NotSent, match=r"ended with 1: \*\*\* for home$"):
        ProviderSender({"DEPLOY_TOKEN": "sEcReT", "PLACE": "home"}).send(one, told)


def test_a_command_may_complain_without_end() -> None:
    flood = "head -c 50000000 /dev/zero | tr '\\0' x >&2; echo; echo the last word >&2; exit 3"
    with pytest.raises(NotSent, match=r"ended with 3: x+the last word$") as caught:
        tell(trigger("command", cmd=flood))
    assert len(str(caught.value)) < 400


def test_a_command_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    with pytest.raises(NotSent, match=r"did not end within 0.3 seconds"):
        tell(trigger("command", cmd=f"(sleep 1; touch {mark}) & sleep 30", timeout=300))
    threading.Event().wait(1.2)
    assert not mark.exists()


SECRETS = [
    ("http", {"url": "{url}/sEcReTpAtH", "auth_user": "ada", "auth_password": "sEcReTpass"}),
    ("gotify", {"url": "{url}", "token": "AgOtIfYsEcReTtOkEn"}),
    ("matrix", {"url": "{url}", "roomid": "!r:x", "accesstoken": "sEcReT_token"}),
    ("mattermost", {"url": "{url}/hooks/sEcReT12345678"}),
    ("rocketchat", {"url": "{url}", "user_id": "u", "auth_token": "sEcReT_token"}),
    ("teams", {"url": "{url}/hooks/sEcReT12345678"}),
    ("apprise", {"url": "json://user:sEcReTpass@127.0.0.1:{port}/sEcReTpath"}),
    ("ntfy", {"url": "{url}", "topic": "news", "auth_user": "ada", "auth_password": "sEcReTpass"}),
    ("ifttt", {"key": "sEcReTkey123"}),
    ("discord", {"url": "{url}/api/webhooks/123456789012345678/sEcReTsEcReTsEcReTsEcReTsEcReTsEcReTsEcReT"}),
    ("slack", {"token": "xoxb-123456789012-123456789012-sEcReTsEcReTsEcReT", "channel": "general"}),
    ("slack", {"url": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/sEcReTsEcReTsEcReTsEcReT"}),
    ("googlechat", {"url": "https://chat.googleapis.com/v1/spaces/AAAA1234/messages?key=sEcReTkey123&token=sEcReT_token"}),
    ("telegram", {"bottoken": "123456789:sEcReTsEcReTsEcReTsEcReT_sEcReTsEcRe", "chatid": "12315544"}),
    ("pushover", {"user": "sEcReTsEcReTsEcReTsEcReTsEcReT", "token": "AgOtIfYsEcReTtOkEn"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), SECRETS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(SECRETS)])
def test_no_error_and_no_log_holds_a_secret(
    web: Receiver, kind: str, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    web.status = 403
    web.answer = b'{"error": "sEcReTpass sEcReT_token AgOtIfYsEcReTtOkEn sEcReT12345678 is wrong"}'
    one = trigger(kind, **{name: text.format(url=web.url, port=web.port) for name, text in options.items()})
    with pytest.raises(NotSent) as caught:
        tell(one)
    assert f"{kind}.one" in str(caught.value)
    # The receiver's own words are its own: only what this trigger holds is secret to it.
    held = {word for text in options.values() for word in ("sEcReTpass", "sEcReT_token", "AgOtIfYsEcReTtOkEn",
            "sEcReT12345678", "sEcReTpAtH", "sEcReTkey123", "sEcReTsEcReT") if word in text}  # fmt: skip
    assert held
    said = str(caught.value) + caplog.text.replace("POST", "")
    assert not [word for word in held if word in said], said


def test_smtp_says_that_a_password_is_wrong_but_not_which(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with mail_receiver() as mailbox:
        mailbox.refusal = "535 5.7.8 sEcReTpass is wrong"
        options = {"host": "127.0.0.1", "port": mailbox.port, "user": "ada", "pass": "sEcReTpass"}
        with pytest.raises(NotSent, match=r"smtp\.one") as caught:
            tell(trigger("smtp", **options, to="ops@example.com", **{"from": "slipway@example.com"}))
    assert mailbox.login == "ada sEcReTpass" and mailbox.mails == []
    said = str(caught.value) + caplog.text
    assert "sEcReT" not in said and b64encode(b"\0ada\0sEcReTpass").decode() not in said


def test_mqtt_says_that_a_password_is_wrong_but_not_which(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with mqtt_broker() as broker:
        broker.refusal = 5
        with pytest.raises(NotSent, match=r"mqtt\.one") as caught:
            tell(trigger("mqtt", url=f"mqtt://127.0.0.1:{broker.port}", user="ada", password="sEcReTpass"))
    assert broker.login is not None and broker.login[2] == "sEcReTpass"
    assert "sEcReT" not in str(caught.value) + caplog.text


def test_every_notification_that_has_a_secret_is_looked_at() -> None:
    elsewhere = {"smtp", "mqtt", "kafka"}
    assert {kind for kind, _ in SECRETS} | elsewhere == {kind for kind in OPTIONS if secrets(kind)}


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://0xA9FEA9FE/",
        "http://2852039166/",
        "http://169.254.1.1:8080/",
        "http://[fd00:ec2::254]/",
        "http://[fd00:ec2::23]/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[::ffff:0:a9fe:a9fe]/",
        "http://[::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[::]/",
        "http://192.0.0.192/",
        "http://100.100.100.200/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ],
)
@pytest.mark.parametrize("kind", ["http", "mattermost", "teams"])
def test_link_local_and_metadata_addresses_are_refused(kind: str, url: str) -> None:
    with pytest.raises(NotSent, match=r"link-local or metadata|must begin with|cannot be found"):
        tell(trigger(kind, url=url))


@pytest.mark.parametrize("kind", ["ntfy", "gotify"])
def test_apprise_is_not_led_to_metadata_either(kind: str) -> None:
    options = {"ntfy": {"topic": "t"}, "gotify": {"token": "AbCdEf123456789"}}[kind]
    with pytest.raises(NotSent, match="link-local or metadata"):
        tell(trigger(kind, url="http://169.254.169.254", **options))


@pytest.mark.parametrize(("kind", "options"), [("http", {}), ("ntfy", {"topic": "t"})])
def test_a_redirect_is_not_followed(web: Receiver, kind: str, options: dict[str, str]) -> None:
    with web_receiver() as trap:
        web.status, web.headers = 307, {"Location": f"{trap.url}/latest/meta-data"}
        with pytest.raises(NotSent):
            tell(trigger(kind, url=web.url, **options))
        assert len(web.requests) == 1 and trap.requests == []


REBOUND = [
    ("http", {"url": "http://rebind.example:{port}/"}),
    ("ntfy", {"url": "http://rebind.example:{port}", "topic": "t"}),
    ("gotify", {"url": "http://rebind.example:{port}", "token": "AppToken1234"}),
    ("apprise", {"url": "json://rebind.example:{port}/"}),
    ("apprise", {"config": "http://rebind.example:{port}/config"}),
    ("smtp", {"host": "rebind.example", "port": "{port}", "from": "a@example.com", "to": "b@example.com"}),
    ("mqtt", {"url": "mqtt://rebind.example:{port}"}),
    ("kafka", {"brokers": "rebind.example:{port}"}),
]


@pytest.mark.parametrize(("kind", "options"), REBOUND, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(REBOUND)])
def test_a_name_that_means_metadata_only_when_it_is_connected_to_is_refused_then(
    monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, str]
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *more, **named)
        asked.append(host)
        # Innocent for whoever asks first, the machine's metadata ever after.
        address = "127.0.0.1" if len(asked) == 1 and kind in ("mqtt", "kafka") else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(kafka, "_PATIENCE", 0.5)
    with pytest.raises(NotSent, match=r"link-local or metadata|no broker answers"):
        tell(trigger(kind, **{name: text.format(port=9) for name, text in options.items()}))
    assert asked


def test_no_library_connects_to_metadata_in_a_thread_of_its_own_either() -> None:
    met: list[str] = []

    def connect() -> None:
        with socket.socket() as one:
            try:
                one.connect(("169.254.169.254", 9))
            except PermissionError as refusal:
                met.append(str(refusal))

    for name in ("kafka-io-slipway", "paho-mqtt-client-slipway"):
        thread = threading.Thread(target=connect, name=name)
        thread.start()
        thread.join(10)
    assert len(met) == 2 and all("link-local or metadata" in one for one in met)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "192.168.1.2", "10.0.0.1", "fd12::1", "2001:db8::1", "8.8.8.8"]
)
def test_what_is_on_ones_own_network_may_be_told(address: str) -> None:
    assert guarded.refuse(address) is None


def test_others_of_this_process_connect_where_they_like(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with judged_connections(), socket.create_connection(("127.0.0.1", web.port), timeout=5):
        pass
    monkeypatch.setattr(guarded, "refuse", lambda address: f"{address} is refused")
    with socket.create_connection(("127.0.0.1", web.port), timeout=5):
        pass
    with judged_connections(), pytest.raises(PermissionError, match=r"127\.0\.0\.1 is refused"):
        socket.create_connection(("127.0.0.1", web.port), timeout=5)


def test_a_name_is_refused_for_one_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", ("127.0.0.1", 80)), (2, 1, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(NotSent, match="link-local or metadata"):
        tell(trigger("http", url="http://rebind.example/"))
