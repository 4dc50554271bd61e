"""The application: domain, ports, use cases, wire shapes and adapters; runs in Lambda, in the server and in the executor."""

VERSION = "0.1.0"
