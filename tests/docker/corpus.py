"""Owns the corpus of container configurations a clone is tried on, each as the `docker create` arguments of a user.

`python -m tests.docker.corpus` creates every one on a private engine and keeps its inspect document in
tests/data/inspect, where the unit tests of the clone read them.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docker.rig import EngineHost, docker_engine

DATA = Path(__file__).parents[1] / "data" / "inspect"
OLD, NEW = "corpus:1", "corpus:2"
NET_A, NET_B, NET_SIX = "corpus-a", "corpus-b", "corpus-six"
PROVIDER = "corpus-provider"

OLD_DEFAULTS: dict[str, Any] = {
    "entrypoint": ["/bin/sh", "-c"],
    "cmd": ["sleep 600"],
    "env": {"VERSION": "1", "SAME": "same", "GONE": "old", "MODE": "default"},
    "labels": {"version": "1", "same": "same", "gone": "old"},
    "workdir": "/srv/old",
    "user": "0",
    "stopsignal": "SIGKILL",
    "healthcheck": {"Test": ["CMD", "true"], "Interval": 60_000_000_000, "Retries": 4, "Timeout": 5_000_000_000},
    "expose": ["8080/tcp", "9090/tcp"],
    "volumes": ["/image-volume"],
    "shell": ["/bin/sh", "-c"],
}
NEW_DEFAULTS: dict[str, Any] = {
    "entrypoint": ["/bin/sh", "-ec"],
    "cmd": ["sleep 700"],
    "env": {"VERSION": "2", "SAME": "same", "FRESH": "new", "MODE": "other"},
    "labels": {"version": "2", "same": "same", "fresh": "new"},
    "workdir": "/srv/new",
    "user": "0:0",
    "stopsignal": "SIGQUIT",
    "healthcheck": {"Test": ["CMD", "echo"], "Interval": 30_000_000_000, "Retries": 2, "Timeout": 7_000_000_000},
    "expose": ["8080/tcp", "7070/tcp"],
    "volumes": ["/image-volume", "/second-volume"],
    "shell": ["/bin/ash", "-c"],
}


@dataclass(frozen=True)
class Configuration:
    """`options` go before the image, `command` after it; `networks` are connected afterwards, each with its options.

    `starts` is false where this machine lacks what the container would need to run. `leaves` are networks it quits.
    """

    name: str
    options: str = ""
    command: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    starts: bool = True


CORPUS = (
    Configuration("plain"),
    Configuration("command", command=("sleep 800",)),
    Configuration("entrypoint", "--entrypoint sleep", command=("900",)),
    Configuration("entrypoint-alone", "--entrypoint yes", starts=False),
    Configuration("entrypoint-emptied", "--entrypoint=", command=("sleep", "900")),
    Configuration("environment", "-e MODE=mine -e EXTRA=1 -e EMPTY= -e SAME=same"),
    Configuration("labels", "--label version=mine --label team=red --label dd.watch=true"),
    Configuration("workdir-and-user", "--workdir /opt --user 1000:1000 --group-add 20 --group-add 44"),
    Configuration("stop-signal-and-timeout", "--stop-signal SIGUSR1 --stop-timeout 1"),
    Configuration("healthcheck", "--health-cmd true --health-interval 9s --health-retries 9 --health-start-period 3s"),
    Configuration("healthcheck-partly", "--health-interval 9s"),
    Configuration("healthcheck-off", "--no-healthcheck"),
    Configuration("ports", "-p 127.0.0.1::8080 -p 127.0.0.1:0:53/udp --expose 1234"),
    Configuration("ports-published-all", "-P"),
    Configuration(
        "binds", "-v /etc/hostname:/host/name:ro -v /usr/share:/host/share:ro,rprivate -v corpus-named:/data"
    ),
    Configuration(
        "mounts",
        "--mount type=volume,source=corpus-mounted,target=/data,volume-label=a=b"
        " --mount type=bind,source=/etc/hostname,target=/host/name,readonly"
        " --mount type=tmpfs,target=/scratch,tmpfs-size=1048576",
    ),
    Configuration("anonymous-volumes", "-v /anonymous --mount type=volume,target=/mounted/,volume-nocopy"),
    Configuration("tmpfs", "--tmpfs /scratch:size=1m,mode=1777 --shm-size 32m"),
    Configuration("image-volume-taken", "-v corpus-over:/image-volume"),
    Configuration("ulimits", "--ulimit nofile=1024:2048 --ulimit core=0 --oom-score-adj 100"),
    Configuration("capabilities", "--cap-add NET_ADMIN --cap-drop MKNOD --security-opt no-new-privileges"),
    Configuration("seccomp", "--security-opt seccomp=unconfined --security-opt label=disable"),
    Configuration("init-and-read-only", "--init --read-only"),
    Configuration("privileged", "--privileged", starts=False),
    Configuration("system-paths", "--security-opt systempaths=unconfined"),
    Configuration("devices", "--device /dev/null:/dev/empty:rw --device-cgroup-rule 'c 1:3 rw'"),
    Configuration("gpus", '--gpus \'"device=0,1","capabilities=compute,utility"\'', starts=False),
    Configuration("logging", "--log-driver json-file --log-opt max-size=1m --log-opt max-file=2"),
    Configuration("no-logging", "--log-driver none"),
    Configuration("resources", "--memory 64m --memory-swap 128m --cpus 0.5 --cpu-shares 512 --pids-limit 50"),
    Configuration("cpu-set", "--cpuset-cpus 0 --memory-reservation 32m --blkio-weight 0"),
    Configuration("sysctls", "--sysctl net.core.somaxconn=1024"),
    Configuration("restart-policy", "--restart on-failure:3"),
    Configuration("restart-always", "--restart unless-stopped"),
    Configuration(
        "names", "--hostname web --domainname example.test --add-host db:10.0.0.1 --dns 10.0.0.2 --dns-search x"
    ),
    Configuration("terminal", "--tty --interactive"),
    Configuration("host-network", "--network host"),
    Configuration("no-network", "--network none"),
    Configuration("host-namespaces", "--pid host --uts host --ipc host"),
    Configuration("user-network", f"--network {NET_A} --network-alias web --network-alias api"),
    Configuration("user-network-hostname", f"--network {NET_A} --hostname web --network-alias api"),
    Configuration("network-by-id", "--network {NET_A_ID}"),
    Configuration("static-address", f"--network {NET_A} --ip {{SUBNET}}77"),
    Configuration("user-mac", "--mac-address 92:d0:c6:0a:29:33"),
    Configuration("user-mac-user-network", f"--network {NET_A} --mac-address 92:d0:c6:0a:29:34 --ip {{SUBNET}}78"),
    Configuration(
        "several-networks",
        f"--network {NET_A} --network-alias front --ip {{SUBNET}}79",
        networks=(f"--alias back --alias behind {NET_B}", "bridge"),
    ),
    Configuration("several-networks-driver-options", networks=(f"--driver-opt a=b --driver-opt c=d {NET_B}",)),
    Configuration("network-left", networks=(f"--alias only {NET_B}",), leaves=("bridge",)),
    Configuration("links", f"--link {PROVIDER}:db --link {PROVIDER}"),
    Configuration("links-user-network", f"--network {NET_A} --link {PROVIDER}:db"),
    Configuration("remove-itself", "--rm -v /anonymous"),
    Configuration("network-of-another", f"--network container:{PROVIDER}"),
    Configuration("namespaces-of-another", f"--pid container:{PROVIDER} --ipc container:{PROVIDER}"),
    Configuration("volumes-of-another", f"--volumes-from {PROVIDER}:ro"),
    Configuration("runtime", "--runtime io.containerd.runc.v2"),
    Configuration("control-group", "--cgroup-parent /corpus-parent --cgroupns private --isolation default"),
    Configuration(
        "environment-odd", "-e 'LINES=one\ntwo' -e OPTIONS=a=b=c -e GONE -e UNICODE=\u00e9\u2713 -e 'SPACES= x '"
    ),
    Configuration("labels-odd", "--label 'note=one\ntwo' --label empty= --label rule=Host(`a`)=b --label bare"),
    Configuration("ports-of-one", "-p 127.0.0.1::8080 -p 127.0.0.1::8080 -p 127.0.0.1::5000-5001"),
    Configuration("volume-options", "--volume-driver local -v corpus-driven:/data -v corpus-over:/image-volume:nocopy"),
    Configuration(
        "mount-options",
        "--mount type=volume,source=corpus-ram,target=/data,volume-opt=type=tmpfs,volume-opt=device=tmpfs"
        " --mount type=bind,source=/usr/share,target=/share,readonly,bind-nonrecursive=true"
        " --mount type=tmpfs,target=/scratch,tmpfs-mode=1770 --tmpfs /run",
    ),
    Configuration("image-volume-in-memory", "--tmpfs /image-volume:size=1m"),
    Configuration("ipc-shareable", "--ipc shareable --shm-size 16m --cgroupns host"),
    Configuration("ipc-none", "--ipc none --userns host"),
    Configuration("name-service", "--dns-option ndots:2 --add-host gate:host-gateway --add-host six:::1"),
    Configuration("address-of-the-link", f"--network {NET_A} --ip {{SUBNET}}80 --link-local-ip 169.254.7.7"),
    Configuration("six", f"--network {NET_SIX} --ip6 fd00:51::77 --network-alias six"),
    Configuration("on-failure-for-ever", "--restart on-failure --stop-timeout -1"),
    Configuration("a.long-name_" + "x.y-z_" * 36 + "0"),
    Configuration(
        "compose-service",
        f"--network {NET_A} --network-alias shop-web-1 --network-alias web --label com.docker.compose.project=shop"
        " --label com.docker.compose.service=web --label com.docker.compose.container-number=1"
        " --label com.docker.compose.image=sha256:old --label com.docker.compose.config-hash=abc"
        " --restart always --log-opt max-size=1m -v corpus-shop:/data",
        networks=(f"--alias web {NET_B}",),
    ),
)


def prepare(host: EngineHost) -> None:
    """Images, networks and the container that the configurations refer to."""
    host.build_image(OLD, **OLD_DEFAULTS)
    host.build_image(NEW, **NEW_DEFAULTS)
    host.build_image("corpus-provider:1", cmd=["sleep", "600"], volumes=["/provided"], stopsignal="SIGKILL")
    host.cli("network", "create", "--subnet", host.network.test_subnet, NET_A)
    host.cli("network", "create", NET_B)
    host.cli("network", "create", "--ipv6", "--subnet", "fd00:51::/64", NET_SIX)
    options = ("--ipc", "shareable", "--network", NET_A)
    host.cli("run", "-d", "--name", PROVIDER, *options, "corpus-provider:1")
    host.cli("network", "connect", "bridge", PROVIDER)


def create(host: EngineHost, configuration: Configuration, image: str) -> str:
    """Creates the container as its user would, named as the configuration: its id."""
    options = configuration.options.replace("{SUBNET}", host.network.test_subnet.removesuffix("0/24"))
    if "{NET_A_ID}" in options:
        options = options.replace("{NET_A_ID}", host.cli("network", "inspect", NET_A, "--format", "{{.Id}}"))
    name = configuration.name
    container = host.cli("create", "--name", name, *shlex.split(options), image, *configuration.command)
    for network in configuration.networks:
        host.cli("network", "connect", *network.split(), name)
    for network in configuration.leaves:
        host.cli("network", "disconnect", network, name)
    return container


def save() -> None:
    """Writes tests/data/inspect anew: one file for each configuration, and one for each image."""
    DATA.mkdir(parents=True, exist_ok=True)
    with docker_engine() as host:
        prepare(host)
        for reference in (OLD, NEW):
            _write(f"image-{reference.partition(':')[2]}", host.api("GET", f"/images/{reference}/json"))
        for configuration in CORPUS:
            container = create(host, configuration, OLD)
            if configuration.starts:
                host.api("POST", f"/containers/{container}/start")
            _write(configuration.name, host.api("GET", f"/containers/{container}/json"))
            host.api("DELETE", f"/containers/{container}", params={"force": "1", "v": "1"})


def _write(name: str, document: Any) -> None:
    (DATA / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    save()
