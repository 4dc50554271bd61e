"""What the demo shows: applications, the versions the registry offers, and the one each container runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVE = """\
mkdir -p /tmp && trap 'kill $!; exit 0' TERM INT
echo "$(date -Iseconds) $NAME $VERSION listens on 8080"
httpd -f -p 8080 -h /www & wait $!
"""
IDLE = """\
trap 'exit 0' TERM INT
echo "$(date -Iseconds) $NAME $VERSION started"
while :; do sleep 3600 & wait $!; done
"""
CHATTER = """\
trap 'exit 0' TERM INT
n=0
while :; do
    n=$((n + 1))
    echo "{\\"level\\":\\"info\\",\\"request\\":$n,\\"path\\":\\"/orders/$((n % 97))\\",\\"ms\\":$((n * 7 % 41))}"
    [ $((n % 10)) = 0 ] && echo "$(date -Iseconds) WARN slow answer from upstream, request $n" >&2
    sleep 0.05 & wait $!
done
"""
FINISH = 'echo "$(date -Iseconds) $NAME $VERSION: 214 files saved"\n'
CRASH = 'echo "$NAME $VERSION: cannot read an index of format 6" >&2\nexit 1\n'


@dataclass(frozen=True)
class Health:
    """A health check by HTTP on port 8080; durations in seconds."""

    path: str = "/healthz"
    interval: float = 1
    timeout: float = 2
    retries: int = 3


@dataclass(frozen=True)
class Version:
    """One image: what it runs, and the day it says it was made. `healthy` serves the page the check asks for."""

    name: str
    created: str
    script: str = IDLE
    health: Health | None = None
    healthy: bool = True


@dataclass(frozen=True)
class Application:
    """A container of the demo.

    `tags` are what the registry offers in the end, `runs` the (older) version the container starts with under
    `tag`. `indexed` tags lead to an image index, as BuildKit makes them, instead of to a plain manifest.
    """

    name: str
    repository: str
    tag: str
    runs: Version
    tags: Mapping[str, Version]
    labels: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = False
    indexed: bool = False
    network: str | None = None
    volume: tuple[str, str] | None = None


def _versions(script: str, health: Health | None, days: Mapping[str, str]) -> dict[str, Version]:
    return {tag: Version(tag, day, script, health) for tag, day in days.items()}


def _compose(project: str, service: str) -> dict[str, str]:
    return {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
    }


def _display(name: str, icon: str, group: str | None = None) -> dict[str, str]:
    return {"dd.display.name": name, "dd.display.icon": icon, **({"dd.group": group} if group else {})}


_CHECK = Health()
_WEB = _versions(
    SERVE,
    _CHECK,
    {
        "1.4.2": "2026-05-04",
        "1.4.3": "2026-06-01",
        "1.5.0": "2026-07-13",
        "2.0.0": "2026-09-21",
        "2.1.0-rc.1": "2026-10-12",
    },
)
_PAYMENTS = _versions(SERVE, Health(), {"3.1.0": "2026-06-15"})
_SEARCH = _versions(IDLE, None, {"7.0.0": "2026-04-20"})
_ORDERS = _versions(CHATTER, None, {"2.3.0": "2026-08-03"})
_BACKUP = _versions(FINISH, None, {"0.9.0": "2026-03-02", "0.9.1": "2026-08-17"})
_SHOP = _versions(SERVE, _CHECK, {"5.2.0": "2026-07-06", "5.2.1": "2026-09-07"})
_DATABASE = _versions(IDLE, None, {"16.4": "2026-02-12", "16.5": "2026-08-13", "17.0": "2026-09-25"})
_API_OLD = Version("build 41", "2026-08-24", SERVE, _CHECK)
_API_NEW = Version("build 42", "2026-10-05", SERVE, _CHECK)

APPLICATIONS = (
    Application(
        "demo-web",
        "demo/web",
        "1.4.2",
        _WEB["1.4.2"],
        {**_WEB, "latest": _WEB["2.0.0"]},
        _display("Demo web", "mdi:web", "demo")
        | {
            "dd.tag.include": r"^\d+\.\d+\.\d+$",
            "dd.link.template": "https://example.com/web/${major}.${minor}.${patch}",
        },
    ),
    Application(
        "demo-api",
        "demo/api",
        "stable",
        _API_OLD,
        {"stable": _API_NEW},
        _display("Demo API, its tag moved to a new digest", "mdi:api", "demo") | {"dd.watch.digest": "true"},
        indexed=True,
    ),
    Application(
        "demo-payments",
        "demo/payments",
        "3.1.0",
        _PAYMENTS["3.1.0"],
        {**_PAYMENTS, "3.2.0": Version("3.2.0", "2026-10-01", SERVE, Health(), healthy=False)},
        _display("Demo payments, its candidate never gets healthy", "mdi:credit-card", "demo"),
    ),
    Application(
        "demo-search",
        "demo/search",
        "7.0.0",
        _SEARCH["7.0.0"],
        {**_SEARCH, "7.0.1": Version("7.0.1", "2026-09-28", CRASH)},
        _display("Demo search, its candidate crashes", "mdi:magnify", "demo"),
    ),
    Application(
        "demo-orders",
        "demo/orders",
        "2.3.0",
        _ORDERS["2.3.0"],
        _ORDERS,
        _display("Demo orders, up to date and talkative", "mdi:message-text", "demo"),
    ),
    Application(
        "demo-backup",
        "demo/backup",
        "0.9.0",
        _BACKUP["0.9.0"],
        _BACKUP,
        _display("Demo backup, stopped", "mdi:archive", "demo"),
        stopped=True,
    ),
    Application(
        "demo-shop-app-1",
        "demo/shop",
        "5.2.0",
        _SHOP["5.2.0"],
        _SHOP,
        _display("Demo shop", "mdi:cart") | _compose("demo-shop", "app"),
        network="demo-shop_default",
    ),
    Application(
        "demo-shop-db-1",
        "demo/database",
        "16.4",
        _DATABASE["16.4"],
        _DATABASE,
        _display("Demo shop database, stays on 16", "mdi:database")
        | {"dd.tag.include": r"^16\.\d+$"}
        | _compose("demo-shop", "db"),
        network="demo-shop_default",
        volume=("demo-shop_data", "/data"),
    ),
)
