"""Triage of GitHub issues: a flow written as a JSON document, branching by a switch and by conditions.

`github_issues.json` is the flow, `github_issues_delivery.json` what GitHub sends when an issue is opened. The same
flow runs from the command line:

    openrun run examples/github_issues.json --input @examples/github_issues_delivery.json
"""

import asyncio
import json
from copy import deepcopy
from pathlib import Path

from openrun import Flow, StepStarted

HERE = Path(__file__).parent


async def main() -> None:
    flow = Flow.from_json((HERE / "github_issues.json").read_bytes())
    crash = json.loads((HERE / "github_issues_delivery.json").read_bytes())

    typo = deepcopy(crash)
    typo["body"]["issue"]["title"] = "A typo on the welcome page"

    question = deepcopy(crash)
    question["body"]["issue"] |= {"title": "How long do I brew green tea?", "labels": []}

    closed = deepcopy(crash)
    closed["body"]["action"] = "closed"

    for delivery in (crash, typo, question, closed):
        run = await flow.execute(input=delivery)
        path = [event.step_id for event in run.events if isinstance(event, StepStarted)]
        print(" > ".join(path))
        print(f"    {run.output['body']}")


if __name__ == "__main__":
    asyncio.run(main())
