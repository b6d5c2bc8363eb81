"""What stands between our client and the app: nginx, or a proxy of node's."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.limiter.contenders import KEY
from benchmarks.limiter.programs import child, free_port, listening, nginx_here, told_port
from benchmarks.limiter.records import Arrival

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from benchmarks.compare.npm import Node
    from benchmarks.limiter.scenario import Front, Scenario

__all__ = ["nginx", "proxy", "read_book"]

_PROXY = Path(__file__).with_name("proxy.js")
# Nothing is set that a plain nginx in front of an app does not set, but for the places of its files.
_CONFIG = """
daemon off;
master_process off;
pid {home}/pid;
error_log {home}/error.log;
events {{}}
http {{
  log_format book '$msec $request_time $status $http_x_who';
  access_log {home}/access.log book;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  {zone}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      {limit}
      proxy_pass http://127.0.0.1:{app};
    }}
  }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(scenario: Scenario, front: Front, app: int) -> AsyncGenerator[tuple[int, Callable[[], list[Arrival]]]]:
    """Run it; give its port, and what reads its book. Raises :class:`NoServerError`."""
    program = nginx_here()
    port = free_port()
    zone = limit = ""
    if front.refuses_with:
        rate = round(scenario.limit / scenario.window)
        zone = f"limit_req_zone $http_authorization zone=key:1m rate={rate}r/s;"
        burst = f" burst={front.burst} nodelay" if front.burst else ""
        limit = f"limit_req zone=key{burst}; limit_req_status {front.refuses_with};"
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "nginx.conf"
        config.write_text(_CONFIG.format(home=home, zone=zone, limit=limit, port=port, app=app), encoding="utf-8")
        arguments = ("-p", home, "-e", f"{home}/error.log", "-c", str(config))
        async with child(*program.command, *arguments, env=program.env):
            await listening(port)
            yield port, lambda: read_book(Path(home) / "access.log", scenario.limit)


def read_book(path: Path, limit: int) -> list[Arrival]:
    """Read nginx's log, which is by the wall clock and by the end of each request."""
    shift = time.monotonic() - time.time()
    found: list[Arrival] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        ended, took, status, who = line.split()
        counted = 1000 * (float(ended) - float(took) + shift)
        found.append(Arrival("" if who == "-" else who, counted, counted, int(status), 0, 0, limit))
    return found


@contextlib.asynccontextmanager
async def proxy(scenario: Scenario, front: Front, app: int, node: Node) -> AsyncGenerator[int]:
    """Run it and give its port."""
    options = {
        "port": app,
        "date": front.date,
        "cache": front.cache,
        "secondLimit": front.second_limit,
        "limit": scenario.limit,
        "windowMs": scenario.window * 1000,
        "authorization": f"Bearer {KEY}",
        "rowsAPage": scenario.page_size,
    }
    async with child(node.binary, str(_PROXY), json.dumps(options), env={}) as process:
        yield await told_port(process)
