"""A Kafka broker of few answers: what it speaks, who leads the one partition, who may come in, what has been taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)
from kafka.record.memory_records import MemoryRecords

_SPOKEN = (
    *((ApiVersionsRequest, 2), (MetadataRequest, 5), (ProduceRequest, 7)),
    *((SaslHandshakeRequest, 1), (SaslAuthenticateRequest, 1)),
)


HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


class Scram:
    """The server of one conversation of RFC 5802: its nonce and salt, then its own proof for a client's right one."""

    def __init__(self, algorithm: str, password: str) -> None:
        self._algorithm = algorithm
        self._salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), b"salt-of-it", 4096)
        self._begun = b""

    def answer(self, said: bytes) -> bytes | None:
        """What the server says next; nothing when the proof is wrong."""
        fields = dict(part.split(b"=", 1) for part in said.split(b",") if b"=" in part)
        if not self._begun:
            salt = base64.b64encode(b"salt-of-it")
            first = b"r=" + fields[b"r"] + b"-server,s=" + salt + b",i=4096"
            # The header before the two commas is no part of what is signed.
            self._begun = said.split(b",", 2)[2] + b"," + first
            return first
        signed = self._begun + b"," + said.rpartition(b",p=")[0]
        key = self._keyed(self._salted, b"Client Key")
        signature = self._keyed(hashlib.new(self._algorithm, key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        if base64.b64encode(proof) != fields[b"p"]:
            return None
        return b"v=" + base64.b64encode(self._keyed(self._keyed(self._salted, b"Server Key"), signed))

    def _keyed(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self._algorithm).digest()


@dataclass
class Stream:
    """What was produced: (topic, key, value, headers)."""

    port: int = 0
    records: list[tuple[str, bytes, bytes, dict[str, bytes]]] = field(default_factory=list)
    logins: list[tuple[str, bytes]] = field(default_factory=list)
    """Who came in: the mechanism and what was said."""


@contextmanager
def kafka_broker(*, password: str = "", tls: tuple[str, str] | None = None) -> Iterator[Stream]:
    """A broker at work: behind TLS with that certificate and key, and behind a password for PLAIN or SCRAM."""
    stream = Stream()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
    if context is not None and tls is not None:
        context.load_cert_chain(*tls)

    class Session(socketserver.StreamRequestHandler):
        mechanism = ""
        scram: Scram | None = None

        def setup(self) -> None:
            if context is not None:
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def handle(self) -> None:
            while size := self.rfile.read(4):
                frame = self.rfile.read(int.from_bytes(size, "big"))
                key, version = int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:4], "big")
                kind = next(one for one, _ in _SPOKEN if key == one.API_KEY)
                if kind is ApiVersionsRequest and version > 2:
                    answer, version = ApiVersionsResponse(error_code=35, api_keys=_spoken(), throttle_time_ms=0), 0
                else:
                    answer = self._answer(kind, kind.decode(frame, version=version, header=True))
                body = frame[4:8] + answer.encode(version=version)
                self.wfile.write(len(body).to_bytes(4, "big") + body)

        def _answer(self, kind: Any, request: Any) -> Any:
            if kind is ApiVersionsRequest:
                return ApiVersionsResponse(error_code=0, api_keys=_spoken(), throttle_time_ms=0)
            if kind is SaslHandshakeRequest:
                self.mechanism = request.mechanism
                self.scram = Scram(HASHES[self.mechanism], password) if self.mechanism in HASHES else None
                return SaslHandshakeResponse(error_code=0, mechanisms=["PLAIN", *HASHES])
            if kind is SaslAuthenticateRequest:
                stream.logins.append((self.mechanism, request.auth_bytes))
                said = self.scram.answer(request.auth_bytes) if self.scram else b""
                known = said is not None if self.scram else request.auth_bytes.split(b"\0")[-1] == password.encode()
                return SaslAuthenticateResponse(
                    error_code=0 if known else 58,
                    error_message=None if known else "Authentication failed",
                    auth_bytes=said or b"",
                    session_lifetime_ms=0,
                )
            assert not password or stream.logins, "nobody has logged in"
            if kind is MetadataRequest:
                return _metadata(stream.port, [one.name for one in request.topics or ()])
            topic = request.topic_data[0]
            batch = MemoryRecords(bytes(topic.partition_data[0].records)).next_batch()
            for record in batch:
                stream.records.append((topic.name, record.key, record.value, dict(record.headers)))
            of = ProduceResponse.TopicProduceResponse
            part = of.PartitionProduceResponse(
                index=0, error_code=0, base_offset=0, log_append_time_ms=-1, log_start_offset=0
            )
            return ProduceResponse(responses=[of(name=topic.name, partition_responses=[part])], throttle_time_ms=0)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        stream.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield stream
        finally:
            server.shutdown()


def _spoken() -> list[Any]:
    of = ApiVersionsResponse.ApiVersion
    return [of(api_key=kind.API_KEY, min_version=0, max_version=version) for kind, version in _SPOKEN]


def _metadata(port: int, names: list[str]) -> Any:
    of = MetadataResponse
    broker = of.MetadataResponseBroker(node_id=1, host="127.0.0.1", port=port, rack=None)
    part = of.MetadataResponseTopic.MetadataResponsePartition(
        error_code=0, partition_index=0, leader_id=1, replica_nodes=[1], isr_nodes=[1], offline_replicas=[]
    )
    topics = [of.MetadataResponseTopic(error_code=0, name=one, is_internal=False, partitions=[part]) for one in names]
    return of(throttle_time_ms=0, brokers=[broker], cluster_id="stand-in", controller_id=1, topics=topics)
