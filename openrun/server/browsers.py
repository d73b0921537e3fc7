"""What a browser may be made to do by a page of somebody else, and is refused for."""

import re

from aiohttp import web

from openrun.server.config import LOOPBACK, ServerConfig
from openrun.server.problem import Problem

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")


def check_host(config: ServerConfig, request: web.BaseRequest) -> None:
    """A page of somebody else may have its name resolved to this machine: it still says its own name."""
    if not config.is_loopback and not config.hosts:
        return
    match = _HOST.fullmatch(request.headers.get("Host", ""))
    name = match[1].strip("[]").lower() if match else ""
    if name not in LOOPBACK and name not in config.hosts and name != config.host:
        raise Problem(
            403,
            f"this server does not answer for the host {name[:100]!r}; `--allow-host` adds a name",
            slug="unknown-host",
        )


def check_origin(config: ServerConfig, request: web.BaseRequest) -> None:
    """A page of somebody else must not change anything through the browser of somebody who may."""
    origin = request.headers.get("Origin")
    if origin is None:
        foreign = request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site"
    else:
        host = request.headers.get("Host", "")
        foreign = origin not in (f"http://{host}", f"https://{host}") and origin not in config.origins
    if foreign:
        raise Problem(403, f"pages of {(origin or 'other sites')[:200]!r} may not change anything here")


def check_stranger(config: ServerConfig, request: web.BaseRequest) -> None:
    """On a developer's machine, whoever calls without any proof may be a page that is open in a browser there."""
    if config.is_loopback:
        check_host(config, request)
        check_origin(config, request)
