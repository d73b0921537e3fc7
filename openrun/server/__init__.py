"""The HTTP front: connections, bodies, routes, problems, streams."""
