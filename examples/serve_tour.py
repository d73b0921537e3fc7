"""`openrun serve` in one go: webhooks over HTTP, a live stream, a signed delivery sent twice, and why a step did not run.

`make run` starts this. It starts the real command on the flows in examples/serve, with a store in a folder of its own
that is gone afterwards, calls it as anybody would, and stops it. Read it from the bottom up.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FLOWS = HERE / "serve"
COMMAND = [sys.executable, "-m", "openrun"]
SECRET = "the one that GitHub has, too"  # noqa: S105 (of a server that lives for seconds)
SECONDS = 15

NEXT = """
Try next:
  * start it yourself, and paste the curl lines that it prints:
      GITHUB_SECRET=hush .venv/bin/openrun serve examples/serve --secret github_webhook=env:GITHUB_SECRET --reload
  * change examples/serve/order.json while it runs, and call it again
  * watch a run: curl -N -H "Authorization: Bearer KEY" -H "Accept: text/event-stream" URL/v1/runs/RUN/events
  * the same tour without a server: .venv/bin/python examples/welcome.py
  * write a flow of your own in five minutes: docs/start.md"""


class Served:
    """The command, its address and the first key of its store."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.url = self.key = ""

    def await_lines(self) -> None:
        """Print what it says until it has said all."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print(f"  | {line}", end="")
            self.url = self.url or "".join(re.findall(r"http://\S+", line)[:1])
            self.key = self.key or "".join(re.findall(r"^ +(or_\S+)$", line))
            if line.startswith("stop"):
                return
        raise SystemExit("openrun serve did not start; what it says is above")

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The response, whatever its status; it is read like a file."""
        request = urllib.request.Request(  # noqa: S310 (our own server)
            self.url + path, body, {"Content-Type": "application/json", **(headers or {})}, method=method
        )
        try:
            return urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310
        except urllib.error.HTTPError as refused:
            return refused

    def events(self, run_id: str) -> Iterator[dict[str, Any]]:
        """A run's events as they happen (Server-Sent Events), until its end."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream"}
        for line in self.ask("GET", f"/v1/runs/{run_id}/events", headers=headers):
            if line.startswith(b"data:"):
                yield json.loads(line.removeprefix(b"data:"))


def order(served: Served, total: float) -> str:
    """A webhook that is answered by the flow's own reply."""
    body = json.dumps({"item": "teapot", "total": total}).encode()
    with served.ask("POST", "/hooks/orders/berlin", body) as response:
        print(f"  an order of {total}: {response.status} {response.read().decode()}")
        run_id: str = response.headers["OpenRun-Run"]
        return run_id


def refused(served: Served) -> None:
    """An order that does not fit the webhook's schema starts nothing."""
    with served.ask("POST", "/hooks/orders/berlin", b'{"item": "teapot", "total": "much"}') as response:
        problem = json.load(response)
        (fault,) = problem["errors"]
        print(f"  an order of 'much': {response.status}, {fault['pointer']}: {fault['detail']}")


def report(served: Served) -> None:
    """A webhook that is answered at once; the run's events follow over a stream of their own."""
    with served.ask("POST", "/hooks/reports", b'{"pages": 3}') as response:
        accepted = json.load(response)
        print(f"  {response.status} {accepted['status']}; its events, as they happen:")
    for event in served.events(accepted["run_id"]):
        print(f"    {told(event)}")


def told(event: Mapping[str, Any]) -> str:
    """An event in a few words."""
    step = event.get("step_id", "the run")
    match event["type"]:
        case "StepProgress":
            return f"{step}: {event['data']}"
        case "StepScheduled":
            return f"{step} failed: {event['error']['message']}; it is tried again"
        case "FlowCompleted":
            return f"{step} {event['status']}"
        case kind:
            return f"{step}: {kind}"


def deliver_twice(served: Served) -> None:
    """GitHub signs what it sends, and sends again what it is not sure of."""
    body = json.dumps({"action": "opened", "issue": {"title": "It does not start"}}).encode()
    headers = {
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
    }
    runs = set()
    for _time in range(2):
        with served.ask("POST", "/hooks/github", body, headers) as response:
            run_id = json.load(response)["run_id"]
            print(f"  {response.status}, run {run_id}")
            runs.add(run_id)
    forged = {**headers, "X-Hub-Signature-256": "sha256=" + "0" * 64}
    with served.ask("POST", "/hooks/github", body, forged) as response:
        print(f"  {response.status} for one that somebody else has signed")
    print(f"  two deliveries, {len(runs)} run")


def show(*arguments: str) -> None:
    """What another command says of the same store."""
    print(f"$ openrun {' '.join(arguments)}", flush=True)
    said = subprocess.run([*COMMAND, *arguments], check=True, capture_output=True, encoding="utf-8")  # noqa: S603
    print("".join(f"  {line}\n" for line in said.stdout.splitlines()))


def tour(served: Served) -> None:
    served.await_lines()
    print("\nA webhook, answered by its flow:")
    run_id = order(served, 40)
    refused(served)
    print("\nA webhook that is answered before the work begins:")
    report(served)
    print("\nA signed delivery, sent twice:")
    deliver_twice(served)
    print("\nAll of them are in the store:\n")
    show("ps")
    print("Why was no manager asked about the first order?\n")
    show("explain", run_id, "ask_manager")


def main() -> None:
    print("Starting `openrun serve examples/serve`:\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"OPENRUN_STORE": str(Path(folder) / "tour.db"), "GITHUB_SECRET": SECRET}
        arguments = ["serve", str(FLOWS), "--port", "0", "--secret", "github_webhook=env:GITHUB_SECRET"]
        quiet = ["--log-level", "error"]
        with subprocess.Popen(  # noqa: S603
            [*COMMAND, *arguments, *quiet], stdout=subprocess.PIPE, encoding="utf-8"
        ) as process:
            try:
                tour(Served(process))
            finally:
                process.terminate()
            rest, _errors = process.communicate(timeout=SECONDS)
            print(f"The server got SIGTERM: {rest.strip()}, exit code {process.returncode}")
    if process.returncode:
        raise SystemExit(process.returncode)
    print(NEXT)


if __name__ == "__main__":
    main()
