"""Owns the files of an image with known weaknesses: packages of three kinds, none of which could run."""

from __future__ import annotations

import json

OS_RELEASE = (
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
    'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
)
_DEBIAN = (
    ("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
    ("perl-base", "perl", "5.36.0-7+deb12u1"),
    ("libexpat1", "expat", "2.5.0-1"),
)
FILES = {
    "etc/os-release": OS_RELEASE,
    "etc/debian_version": "12.7\n",
    "var/lib/dpkg/status": "".join(
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 168\n"
        f"Maintainer: Nobody <nobody@example.org>\nArchitecture: amd64\nSource: {source}\nVersion: {version}\n"
        f"Description: {name}\n\n"
        for name, source, version in _DEBIAN
    ),
    "usr/local/lib/node_modules/npm/node_modules/cross-spawn/package.json": json.dumps(
        {"name": "cross-spawn", "version": "7.0.3", "license": "MIT"}
    ),
    "usr/local/lib/python3.11/site-packages/Jinja2-3.1.3.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.3\n\n"
    ),
    "usr/local/lib/python3.11/site-packages/Jinja2-3.1.3.dist-info/RECORD": "",
}
WEAKNESSES = {"GHSA-3xgq-45jj-v275", "CVE-2024-45490", "CVE-2023-52426", "GHSA-h75v-3vvj-5mfj", "CVE-2011-4116"}
"""What Grype finds in it with the database of tests/data/scanners."""
