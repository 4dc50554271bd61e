"""The rows about components: watchers, registries, ways to log in, agents; and WUD's paths to the same."""

from __future__ import annotations

from chalicelib.domain import query as words
from handlers import components, system
from handlers.guards import CompatWud
from handlers.route import Answer, Query, Route

_PAGE = (
    Query(
        "limit",
        {"type": "integer", "default": 0, "minimum": 0, "maximum": words.MAX_LIMIT},
        "How many to return, 0 for all; a number out of bounds counts as the bound.",
    ),
    Query("offset", {"type": "integer", "default": 0, "minimum": 0}, "How many to skip."),
)
_ON = CompatWud()
_UNKNOWN = Answer("Error", "There is no such component.")
_WUD_UNKNOWN = Answer("Error", "There is no such component, or WUD's paths are switched off (`DD_COMPAT_WUD=false`).")


def _rows(noun: str, one: str, find: components.Find) -> tuple[Route, ...]:
    path = f"/api/v1/{noun}"
    get, title = components.getter(find), noun[:1].upper() + noun[1:]
    return (
        Route(
            "GET",
            path,
            components.lister(find, path),
            operation_id=f"list{title}",
            summary=f"Get all {noun}, by type and name",
            tag="components",
            responses={200: "ComponentList"},
            query=_PAGE,
        ),
        Route(
            "GET",
            f"{path}/{{type}}/{{name}}",
            get,
            operation_id=f"get{one}",
            summary=f"Get one of the {noun}",
            tag="components",
            responses={200: "Component", 404: _UNKNOWN},
        ),
        Route(
            "GET",
            f"{path}/{{type}}/{{name}}/{{agent}}",
            get,
            operation_id=f"get{one}OfAgent",
            summary=f"Get one of the {noun} of an agent",
            tag="components",
            responses={200: "Component", 404: _UNKNOWN},
        ),
    )


def _wud_rows(noun: str, one: str, find: components.Find) -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            f"/api/{noun}",
            components.bare_lister(find),
            operation_id=f"list{noun[:1].upper() + noun[1:]}Bare",
            summary=f"Get all {noun} in a bare array",
            tag="wud",
            responses={200: "Components"},
            guards=(_ON,),
        ),
        Route(
            "GET",
            f"/api/{noun}/{{type}}/{{name}}",
            components.getter(find),
            operation_id=f"get{one}Unversioned",
            summary=f"Get one of the {noun}",
            tag="wud",
            responses={200: "Component", 404: _WUD_UNKNOWN},
            guards=(_ON,),
        ),
    )


COMPONENTS: tuple[Route, ...] = (
    *_rows("watchers", "Watcher", components.watchers),
    *_rows("registries", "Registry", components.registries),
    *_rows("triggers", "Trigger", components.triggers),
    *_rows("authentications", "Authentication", components.authentications),
    Route(
        "GET",
        "/api/v1/agents",
        components.list_agents,
        operation_id="listAgents",
        summary="Get all agents",
        description="Executors and their hosts, connected or not.",
        tag="components",
        responses={200: "AgentList"},
    ),
)

WUD_COMPONENTS: tuple[Route, ...] = (
    Route(
        "GET",
        "/api/app",
        system.app,
        operation_id="getAppUnversioned",
        summary="Get name and version",
        description="Open to all, as in WUD: clients try it before they know a password.",
        tag="wud",
        responses={200: "App"},
        guards=(_ON,),
        public=True,
    ),
    *_wud_rows("watchers", "Watcher", components.watchers),
    *_wud_rows("registries", "Registry", components.registries),
    *_wud_rows("triggers", "Trigger", components.triggers),
    Route(
        "GET",
        "/api/store",
        system.store,
        operation_id="getStoreUnversioned",
        summary="Tell where things are kept",
        tag="wud",
        responses={200: "Store"},
        guards=(_ON,),
    ),
    Route(
        "GET",
        "/api/log",
        system.log,
        operation_id="getLogUnversioned",
        summary="Tell how much is logged",
        tag="wud",
        responses={200: "LogLevel"},
        guards=(_ON,),
    ),
)
