"""ROUTES: the one table. A row is an endpoint; every door and the OpenAPI document are made from it."""

from __future__ import annotations

from handlers.access_routes import AUTH, TOKENS
from handlers.component_routes import COMPONENTS, WUD_COMPONENTS
from handlers.container_routes import CONTAINERS
from handlers.observation_routes import OBSERVATION
from handlers.route import Route
from handlers.security_routes import SECURITY
from handlers.system_routes import SYSTEM
from handlers.trigger_routes import TRIGGERS
from handlers.webhook_routes import WEBHOOKS
from handlers.wud_routes import WUD

ROUTES: tuple[Route, ...] = (
    *SYSTEM,
    *AUTH,
    *TOKENS,
    *COMPONENTS,
    *CONTAINERS,
    *OBSERVATION,
    *SECURITY,
    *TRIGGERS,
    *WEBHOOKS,
    *WUD,
    *WUD_COMPONENTS,
)
