"""Writes the schema files that the package carries: `python -m openrun.schemas`."""

import json
import sys
from pathlib import Path

from openrun.schemas import down_converted, event_schema, flow_schema
from openrun.schemas.nodes import Schema

HERE = Path(__file__).parent


def files() -> dict[str, str]:
    """The text of each file, by name."""
    flow = flow_schema()
    schemas = {
        "flow-v1.json": flow,
        "flow-v1.draft-07.json": down_converted(flow),
        "event-v1.json": event_schema(),
    }
    return {name: text_of(schema) for name, schema in schemas.items()}


def text_of(schema: Schema) -> str:
    """A schema as people read it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path = HERE) -> None:
    """Write every file into the folder."""
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    main()
