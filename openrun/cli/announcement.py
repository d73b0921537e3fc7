"""What a server says when it begins: where it is, how it is called, and how it is stopped."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from openrun.cli.curl import curl_line
from openrun.cli.durable import store_arguments, without_password
from openrun.cli.plan import Plan
from openrun.cli.screen import Screen
from openrun.cli.text import clean
from openrun.runtime.surroundings import secrets_of
from openrun.server.hooks import PREFIX
from openrun.server.server import Server
from openrun.triggers.routes import Endpoint
from openrun.version import __version__

_MOST = 20
_CURL = 4_000
COUNTED = 1_000
"""So many schedules are counted."""
_ANSWERS = {
    "accepted": "answers at once, with the run's id",
    "last_step": "answers with what the flow puts out",
    "respond": "answers with the flow's reply",
    "stream": "answers with the run's events",
}


class Announcement:
    """Lines for people, on stdout."""

    def __init__(self, server: Server, plan: Plan, out: Screen) -> None:
        self._server = server
        self._plan = plan
        self._out = out

    def show(self, key: str | None, weak: Sequence[str], schedules: int = 0) -> None:
        """All of it; `key` is the first one of a new store, `weak` what strangers could use, `schedules` how many, 1,000 at most."""
        options, url = self._plan.options, self._server.url
        self._say("OpenRun", f"{__version__} at {url}", "bold")
        work = "runs are left to workers elsewhere" if options.no_worker else "runs are worked on here"
        self._say("store", f"{clean(without_password(options.store), 400)}; {work}")
        if options.bus is not None:
            self._say(
                "events",
                f"carried by {clean(without_password(options.bus.partition('?')[0]), 400)}, kept in the store",
            )
        if key is not None:
            self._out.print(Text("\nfirst admin key (KEY below), shown this once:", "bold yellow"))
            self._out.print(Text(f"\n  {key}\n"))
        self.show_webhooks(self._server.mounting.routes.endpoints)
        if schedules:
            listed = " ".join(["openrun schedules", *store_arguments(options.store)])
            where = "by workers elsewhere" if options.no_worker else "here"
            many = f"{schedules:,}{' or more' if schedules == COUNTED else ''}"
            self._say("schedules", f"{many}, fired {where}: {listed}")
        if not self._plan.config.is_loopback:
            for each in weak:
                self._out.print(Text.assemble(("warning: ", "bold yellow"), clean(each, 400)), soft_wrap=True)
        self._say("API", f"curl -H 'Authorization: Bearer '\"$KEY\" {url}/v1/runs")
        self._say("docs", f"{url}/docs and {url}/openapi.json")
        self._say("runs", " ".join(["openrun ps", *store_arguments(options.store)]))
        self._say("stop", "Ctrl-C")
        self.flush()

    def show_webhooks(self, endpoints: Iterable[Endpoint]) -> None:
        """Each webhook, and a line that calls it."""
        every = sorted(endpoints, key=lambda each: (each.path, each.config.methods))
        if not every:
            self._say("webhooks", "none yet")
        for endpoint in every[:_MOST]:
            self._webhook(endpoint)
        if len(every) > _MOST:
            self._out.print(Text(f"… and {len(every) - _MOST:,} more; /openapi.json has them all", "dim"))

    def say(self, words: str, style: str = "") -> None:
        """What happened meanwhile, in a line."""
        self._out.print(Text(clean(words, 1_000), style), soft_wrap=True)
        self.flush()

    def flush(self) -> None:
        self._out.file.flush()

    def _webhook(self, endpoint: Endpoint) -> None:
        config = endpoint.config
        methods = ", ".join(config.methods)
        head = Text.assemble((f"{methods} {PREFIX}{endpoint.path}", "bold cyan"))
        head.append(f"  flow {clean(endpoint.flow_id, 80)}, {_ANSWERS[config.mode]}")
        self._out.print(head, soft_wrap=True)
        missing = self._missing(endpoint)
        if missing:
            words = f"  takes nothing until its secret is given: --secret {missing}=env:VARIABLE"
            self._out.print(Text(words, "yellow"), soft_wrap=True)
        line = curl_line(self._server.url, endpoint, self._plan.places)
        self._out.print(Text(f"  {clean(line, _CURL)}\n"), soft_wrap=True)

    def _missing(self, endpoint: Endpoint) -> str | None:
        """A secret that its callers sign with, where none of those it names has a value."""
        proof = endpoint.config.proof()
        known = secrets_of(self._server.app.secrets, endpoint.namespace)
        if proof is None or any(name in known for name in proof.secrets):
            return None
        name = proof.secrets[0]
        return name if endpoint.namespace == "default" else f"{endpoint.namespace}/{name}"

    def _say(self, name: str, words: str, style: str = "") -> None:
        self._out.print(Text.assemble((f"{name:<10}", "bold"), (words, style)), soft_wrap=True)
