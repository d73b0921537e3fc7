"""All that the API offers, in the order in which its document lists it."""

from openrun.server import manual
from openrun.server.route import Route

ROUTES: tuple[Route, ...] = (*manual.ROUTES,)
