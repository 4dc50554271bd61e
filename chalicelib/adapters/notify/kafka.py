"""Kafka: the containers' documents on one topic."""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from chalicelib.adapters.notify.guarded import resolve
from chalicelib.adapters.notify.secrecy import hush, option
from chalicelib.adapters.notify.web import documents
from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent

_PATIENCE = 10.0
_PORT = 9092

hush("kafka")


def send(trigger: Trigger, message: Message) -> None:
    """Publish one record and wait until a broker has it. Raises NotSent."""
    kind = option(trigger, "authentication.type")
    secure = bool(option(trigger, "ssl"))
    login: dict[str, Any] = {}
    if kind:
        login = {
            "sasl_mechanism": kind,
            "sasl_plain_username": option(trigger, "authentication.user"),
            "sasl_plain_password": option(trigger, "authentication.password"),
        }
    protocol = ("SASL_SSL" if secure else "SASL_PLAINTEXT") if kind else ("SSL" if secure else "PLAINTEXT")
    brokers = str(option(trigger, "brokers")).split(",")
    for broker in brokers:
        host, _, port = broker.strip().rpartition(":")
        resolve(host or port, int(port) if host and port.isdigit() else _PORT)
    try:
        producer = KafkaProducer(
            bootstrap_servers=[broker.strip() for broker in brokers],
            client_id=str(option(trigger, "clientid")),
            security_protocol=protocol,
            max_block_ms=int(_PATIENCE * 1000),
            request_timeout_ms=int(_PATIENCE * 1000),
            bootstrap_timeout_ms=int(_PATIENCE * 1000),
            retries=0,
            enable_idempotence=False,
            acks="all",
            **login,
        )
    except (KafkaError, ValueError, OSError) as error:
        raise NotSent(f"no broker answers: {error}") from None
    try:
        headers = [("idempotency-key", message.key.encode()), ("event", message.event.value.encode())]
        topic = str(option(trigger, "topic"))
        producer.send(topic, documents(message), key=message.key.encode(), headers=headers).get(_PATIENCE)
    except (KafkaError, ValueError, OSError) as error:
        raise NotSent(f"the broker did not take it: {error}") from None
    finally:
        producer.close(timeout=2)
