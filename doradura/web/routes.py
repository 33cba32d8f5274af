"""The routes, as a quart-trio application: who gets which answer."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import trio
from quart import Response, jsonify, request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import HTTPException

from doradura.runbooks import BOOK
from doradura.web.access import AccessRules
from doradura.web.bodies import (
    BodiesFullError,
    BodyBudget,
    BodyTooLargeError,
    LazyHTTPConnection,
    WantedBody,
    read_body,
)
from doradura.web.page import CONTENT_SECURITY_POLICY, page
from doradura.web.runbook_pages import index_page, runbook_page, unknown_page

log = logging.getLogger(__name__)

BODY_LIMIT_BYTES = 1024 * 1024
BODY_SECONDS = 10
GZIP_LEVEL = 5
"""Takes half the time of the usual 9 for a scrape that is two percent larger."""

LINKS: Mapping[str, str] = {
    "/health": "whether it is healthy, check by check",
    "/livez": "whether it is running, for a probe",
    "/readyz": "whether it accepts work, for a probe",
    "/metrics": "metrics, for Prometheus",
    "/runbooks/": "what to do about an alert",
}
OPEN = frozenset({"/health", "/livez", "/readyz"})
"""Paths that are open to every network: probes have no password. All others are for allowed networks and, if a password
is set, for those who know it."""

ALERTS = "/alerts"
"""The path of Alertmanager's webhook: for allowed networks, with the webhook's token instead of the password."""

ALERTS_LIMIT_BYTES = 32 * 1024 * 1024
"""Ten thousand alerts, each with texts of 3 kB. A larger body is refused completely: half of it would hide the rest."""

BODIES_LIMIT_BYTES = 64 * 1024 * 1024
"""All bodies to /alerts that are being read, parsed and stored at once."""


class HealthResponse(Protocol):
    """What the routes need of a health report."""

    @property
    def http_status(self) -> int:
        """The answer's status code."""

    def as_json(self) -> dict[str, Any]:
        """The answer's body."""


class AlertsReply(Protocol):
    """The result of a webhook."""

    @property
    def status(self) -> int:
        """The answer's status code."""

    @property
    def error(self) -> str | None:
        """Why it was not accepted."""

    @property
    def stored(self) -> int:
        """How many alerts were stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Where the answers come from."""

    render_metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    """Accept header -> text and content type. A failing database must not make it fail."""
    health: Callable[[], Awaitable[HealthResponse]]
    info: Callable[[], Mapping[str, object]]
    """The content of /: name, version, mode, state, uptime_seconds. Never a secret."""
    accept_alerts: Callable[[bytes], Awaitable[AlertsReply]]
    """A webhook's body -> the result; 200 only once its alerts are stored."""
    is_ready: Callable[[], bool]
    """Whether the program has started and accepts new work."""
    count_error: Callable[[], None]
    """Called once for each request that raised."""


class _Request(TrioRequest):
    """A request whose body is read only when it is wanted, and may be as large as its path allows."""

    body_class = WantedBody  # type: ignore[assignment]  # declared as its parent's own class, not as a type of it

    def __init__(self, method: str, scheme: str, path: str, *rest: Any, **options: Any) -> None:
        # Here and not in a route: the body arrives beside the route, and would exceed the usual limit by then.
        if path == ALERTS:
            options["max_content_length"] = ALERTS_LIMIT_BYTES
        super().__init__(method, scheme, path, *rest, **options)


def build_app(sources: Sources, access: AccessRules) -> QuartTrio:
    """Return a new application; it shares nothing with another one."""
    app = QuartTrio("doradura.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    app.request_class = _Request
    app.asgi_http_class = LazyHTTPConnection
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the status stands first, as in the contract
    app.after_request(_protect)
    app.register_error_handler(HTTPException, _refusal)

    @app.before_request
    async def guard() -> Response | None:
        return _refused(access)

    async def broken(error: Exception) -> Response:
        """Answer for a route that raised. A barrier: a failed request must not end the program."""
        log.error("a request failed", exc_info=error, extra={"method": request.method, "path": request.path})
        sources.count_error()
        return _json({"error": "internal error; see the log"}, 500)

    app.register_error_handler(Exception, broken)
    _add_pages(app, sources)
    _add_probes(app, sources)
    _add_alerts(app, sources)
    _add_runbooks(app)
    return app


def _add_probes(app: QuartTrio, sources: Sources) -> None:
    @app.get("/health")
    async def health() -> Response:
        report = await sources.health()
        return _json(report.as_json(), report.http_status)

    @app.get("/livez")
    async def livez() -> Response:
        return Response(b"", content_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        return Response(b"", 200 if sources.is_ready() else 503, content_type="text/plain")


def _add_alerts(app: QuartTrio, sources: Sources) -> None:
    budget = BodyBudget(BODIES_LIMIT_BYTES)

    @app.post(ALERTS)
    async def alerts() -> Response:
        # Always 503, not 408 or 429: Alertmanager takes a 4xx for a refusal and does not soon try again.
        try:
            with budget.hold(request.content_length or 0) as held:
                with trio.fail_after(BODY_SECONDS):
                    body = await read_body(request, held, ALERTS_LIMIT_BYTES)
                reply = await sources.accept_alerts(body)
        except BodyTooLargeError:
            return _too_large(ALERTS_LIMIT_BYTES)
        except BodiesFullError:
            return _json({"error": "too many alerts are being received at the moment; send them again"}, 503)
        except trio.TooSlowError:
            return _json({"error": f"the body did not arrive within {BODY_SECONDS} s; send it again"}, 503)
        return _json({"stored": reply.stored} if reply.error is None else {"error": reply.error}, reply.status)


def _add_runbooks(app: QuartTrio) -> None:
    @app.get("/runbooks/", strict_slashes=False)
    async def runbooks() -> Response:
        return _html(index_page())

    @app.get("/runbooks/<name>", strict_slashes=False)
    async def runbook(name: str) -> Response:
        found = BOOK.find(name)
        return _html(unknown_page(name), 404) if found is None else _html(runbook_page(found))


def _add_pages(app: QuartTrio, sources: Sources) -> None:
    @app.get("/metrics")
    async def metrics() -> Response:
        text, content_type = await sources.render_metrics(request.headers.get("Accept", ""))
        response = Response(text, content_type=content_type)
        response.headers["Vary"] = "Accept, Accept-Encoding"
        if request.accept_encodings.quality("gzip") > 0:
            await trio.lowlevel.checkpoint()
            response.set_data(gzip.compress(text, GZIP_LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response

    @app.get("/")
    async def index() -> Response:
        facts = sources.info()
        # JSON comes first: curl's */* gets it, and a browser names text/html.
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            report = (await sources.health()).as_json()
            response = _html(page(facts, report, LINKS))
        else:
            response = _json({**facts, "links": dict(LINKS)}, 200)
        response.headers["Vary"] = "Accept"
        return response


def _refused(access: AccessRules) -> Response | None:
    """Return the refusal of a request that this client may not make; how much it sends is checked only after that."""
    refusal = _stranger(access)
    limit_bytes = ALERTS_LIMIT_BYTES if request.path == ALERTS else BODY_LIMIT_BYTES
    if refusal is None and (request.content_length or 0) > limit_bytes:
        return _too_large(limit_bytes)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if refusal is None and request.path == ALERTS and encoding not in {"", "identity"}:
        return _json({"error": f"send the body uncompressed: {encoding[:20]} is not supported"}, 415)
    return refusal


def _stranger(access: AccessRules) -> Response | None:
    if request.path in OPEN:
        return None
    peer = (request.scope.get("client") or ("", 0))[0]
    client = access.client(peer, request.headers.getlist("X-Forwarded-For"))
    if not access.admits_address(client):
        return _json({"error": "access from your network is not allowed; see DORADURA_ALLOWED_NETWORKS"}, 403)
    authorization = request.headers.get("Authorization")
    if request.path == ALERTS:
        if not access.admits_bearer(authorization):
            return _unauthorized("the webhook's token is required; docs/alerts.md says where to find it", "Bearer")
    elif not access.admits_password(authorization):
        return _unauthorized("user and password are required", 'Basic realm="doradura", charset="UTF-8"')
    return None


def _too_large(limit_bytes: int) -> Response:
    return _json({"error": f"the body may have at most {limit_bytes} bytes"}, 413)


def _unauthorized(error: str, challenge: str) -> Response:
    response = _json({"error": error}, 401)
    response.headers["WWW-Authenticate"] = challenge
    return response


async def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _refusal(error: HTTPException) -> Response:
    """Return in JSON what werkzeug says in HTML, with the headers that it set (Allow, for one)."""
    there = f": {', '.join(['/', *LINKS])} and POST {ALERTS} are here" if error.code in {404, 405} else ""
    response = _json({"error": f"{error.name.lower()}{there}"}, error.code or 500)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/html; charset=utf-8")


def _json(body: Mapping[str, object], status: int) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response
