"""Every example runs as it stands, and says what it is there to say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openrun import Flow, InvalidFlow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SECONDS = 30

SAID = {
    "basic_flow": [
        "trigger: success",
        "fetch: success",
        "store: success",
        "the run succeeded; result = {'user': 'ada', 'points': 42}",
    ],
    "custom_step": [
        "4242 4242 4242 4242: 200, paid by visa card ending in 4242",
        "4242 4242 4242 4241: 422, there is a typo in that number",
        "not a card: 422, that is no number",
    ],
    "durable": [
        "started twice, one run: True",
        "the first program is gone",
        "the run succeeded",
        "  total: 36",
        "  wait: its time has come",
        "  remind: {'status': 200, 'headers': {}, 'body': 'Ada owes 36'}",
    ],
    "errors_and_finally": [
        "charge: HTTP_503, so attempt 2 follows",
        "charge: HTTP_503, so attempt 3 follows",
        "charge: success",
        "thank: skipped, caught",
        "refund: refunded, since HTTP_409: out of stock",
        "unlock: unlocked",
        "the run succeeded",
        "ship failed with HTTP_409, handled: True",
    ],
    "expense_approval": [
        "ada may not answer for herself",
        "grace approves 600: the value is greater than the maximum of 500",
        "grace approves 450, and once more: repeated True",
        "  Ada gets 450, says grace and hedy",
        "  linus said no: the sea is far away",
        "  nobody had time for Eve",
    ],
    "function_steps": [
        "count: 5 words so far",
        "fingerprint ac74429082ea",
        "11 words, most often 'a'",
    ],
    "github_issues": [
        "hook > action > is_bug > is_urgent > page > triaged",
        "hook > action > is_bug > is_urgent > file_bug > triaged",
        "hook > action > is_bug > file_question > triaged",
        "hook > action > thanked",
    ],
    "joins": [
        "left           right          NO_WAIT        ALL_SUCCESS    ALL_DONE       FIRST_SUCCESS",
        "succeeds       succeeds       ran 2 times    ran            ran            ran",
        "succeeds       not taken      ran            ran            ran            ran",
        "succeeds       fails          ran            failed         ran            ran",
        "succeeds       caught         ran            skipped        ran            ran",
        "not taken      not taken      skipped        skipped        skipped        skipped",
    ],
    "loop_with_guard": [
        "  asks, in /poll:1",
        "  asks, in /poll:3",
        "  the run succeeded: the job is done",
        "  the run failed: None",
        "  LOOP_LIMIT: the loop at step 'poll' went round 2 times and would go on; end it earlier, or raise max_iterations on 'poll'",
    ],
    "nightly_report": [
        "three nights of March:",
        "  Sat 02:30 +0100",
        "  Sun 03:00 +0200  moved: 02:30 does not exist on that day",
        "  Mon 02:30 +0200",
        "caught up: 3 fired, 0 had fired before",
        "caught up: 0 fired, 3 had fired before",
        "  2026-03-28: 2 sold, 32 in all; buy teapot",
        "  2026-03-29: 1 sold, 4 in all; buy teapot",
        "  2026-03-30: 3 sold, 49 in all; buy teapot",
    ],
    "order_events": [
        "order 7: parcel of order 7 was sent",
        "order 8: parcel of order 8 was sent",
        "order 8 is a large one",
        "8 events: order.packed, order.paid, order.placed, order.sent",
    ],
    "paged_api": [
        "reads a page in /pages[0]",
        "HTTP_503 in /pages[1]: tries again",
        "the run succeeded: Dune, Emma, Ulysses, Beloved, Persuasion, Middlemarch, Kindred",
    ],
    "payment": [
        "the bank takes 42",
        "the worker is dead, before it could write down what the bank said",
        "the run is needs_review: nobody here knows about the charge",
        "the bank knows the key: True",
        "the run succeeded: paid, receipt 1",
        "the bank was asked for money 1 time",
    ],
    "serve_tour": [
        '  an order of 40: 201 {"item":"teapot","note":"it is on its way"}',
        "  an order of 'much': 422, #/total: the value is not of type \"number\"",
        "  202 accepted; its events, as they happen:",
        "    collect failed: the archive is busy; it is tried again",
        "    collect: {'page': 3, 'of': 3}",
        "    the run succeeded",
        "  401 for one that somebody else has signed",
        "  two deliveries, 1 run",
        "  3 succeeded",
        "      large.true  not_taken  large fired false, seq 5",
        "The server got SIGTERM: stopped, exit code 0",
        "Try next:",
    ],
    "subflow": [
        "200: 6 cups make 24",
        "404: sorry: flow 'pricing' failed: we sell no samovar",
    ],
    "tenant_imports": [
        "16 imports succeeded",
        "  acme: 12, never more than 2 at once: True",
        "  globex: 1, never more than 2 at once: True",
        "  initech: 3, never more than 2 at once: True",
        "  all: never more than 3 at once: True",
        "  globex waited for all of acme: False",
        "3 changes: cancelled, cancelled, succeeded; the index is built anew for picture",
    ],
    "trip_booking": [
        "  booked flight F1",
        "  booked hotel H2",
        "  there is no car",
        "  cancelled H2",
        "undoing the hotel: completed",
        "  HTTP_503: the flight is tried again",
        "  cancelled F1",
        "undoing the flight: completed",
        "the run failed; what was done is undone: completed",
        "still booked: nothing",
    ],
    "welcome": [
        "Why did ask_manager not run?",
        "    large.true: not_taken (large fired false, seq 13)",
        "Try next:",
    ],
}
"""Lines that each example prints, in this order."""

HELPERS = {"receiver"}


def output_of(name: str) -> str:
    """What an example prints. A warning is an error, and nothing may be said beside it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(  # noqa: S603 (our own examples)
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SAID)
def test_the_example_runs_and_prints_its_lines_in_order(name: str) -> None:
    lines = iter(output_of(name).splitlines())
    for expected in SAID[name]:
        assert expected in lines, f"{name}.py did not print {expected!r}, or not in this place"


def test_the_welcome_shows_a_retry_that_succeeds_a_join_and_a_skipped_branch() -> None:
    said = output_of("welcome")
    for part in (
        "charge       failed: the card terminal is busy; tries again in",
        "charge       starts again, attempt 2",
        "pack         done: teapot packed",
        "ask_manager  skipped",
        "the run      succeeded: 40 paid, teapot on its way",
        "openrun run examples/github_issues.json --input @examples/github_issues_delivery.json",
        "docs/start.md",
    ):
        assert part in said


def test_every_example_has_its_test_and_says_what_it_teaches() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")} - HELPERS
    assert names == SAID.keys()
    for name in names:
        assert (EXAMPLES / f"{name}.py").read_text().startswith('"""'), name


@pytest.mark.parametrize("name", ["expense_approval", "github_issues", "nightly_report", "paged_api"])
def test_the_documents_have_no_errors_no_warnings_and_no_noise(name: str) -> None:
    text = (EXAMPLES / f"{name}.json").read_text()
    flow = Flow.from_json(text)

    assert flow.errors() == []
    assert flow.warnings() == []
    assert flow.to_dict() == json.loads(text)


def test_the_document_with_a_custom_step_needs_a_catalogue_that_has_it() -> None:
    with pytest.raises(InvalidFlow) as caught:
        Flow.from_json((EXAMPLES / "custom_step.json").read_text())
    assert [error.code for error in caught.value.errors] == ["UNKNOWN_TYPE"]
