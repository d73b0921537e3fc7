"""All that the API offers, in the order in which its document lists it."""

from openrun.server import (
    approvals,
    audit,
    catalogue,
    compensations,
    deliveries,
    effects,
    flows,
    forks,
    keys,
    letters,
    manual,
    past,
    run_control,
    run_events,
    runs,
    stuck,
)
from openrun.server.route import Route

ROUTES: tuple[Route, ...] = (
    *runs.ROUTES,
    *run_events.ROUTES,
    *run_control.ROUTES,
    *forks.ROUTES,
    *past.ROUTES,
    *approvals.ROUTES,
    *effects.ROUTES,
    *compensations.ROUTES,
    *stuck.ROUTES,
    *flows.ROUTES,
    *deliveries.ROUTES,
    *letters.ROUTES,
    *catalogue.ROUTES,
    *keys.ROUTES,
    *audit.ROUTES,
    *manual.ROUTES,
)
