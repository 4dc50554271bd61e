"""The application: domain, ports, use cases, wire shapes and adapters; it runs on every host we have."""

VERSION = "0.1.0"
