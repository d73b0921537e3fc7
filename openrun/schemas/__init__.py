"""JSON Schemas of what OpenRun reads and writes, made of its models: `python -m openrun.schemas` writes the files."""

from openrun.schemas.draft07 import down_converted
from openrun.schemas.event import event_schema
from openrun.schemas.flow import flow_schema

__all__ = ["down_converted", "event_schema", "flow_schema"]
