"""A flow as a Mermaid flowchart. Ids are our own numbers and every text is escaped, so no name can draw."""

from collections.abc import Iterator

from openrun.cli.sketch import Node, Sketch

_PLAIN = frozenset(" _-.,/")
_LONGEST = 80


def mermaid(sketch: Sketch) -> str:
    """The text of a flowchart, its last line ended."""
    return "\n".join(["flowchart TD", *_flow(sketch, "s", "  ")]) + "\n"


def _flow(sketch: Sketch, prefix: str, indent: str) -> Iterator[str]:
    for node in sketch.nodes:
        name = f"{prefix}{node.at}"
        yield indent + name + _shape(node)
        if node.body is not None:
            yield f'{indent}subgraph {name}_body ["{_escape("each item of " + node.step_id)}"]'
            yield from _flow(node.body, f"{name}_", indent + "  ")
            yield f"{indent}end"
            yield f"{indent}{name} -.- {name}_body"
    for stroke in sketch.strokes:
        source, target = f"{prefix}{stroke.source}", f"{prefix}{stroke.target}"
        label = f'|"{_escape(stroke.port)}"|' if sketch.names_port(stroke) else ""
        arrow = "-.->" if stroke.again else "-->"
        yield f"{indent}{source} {arrow}{label} {target}"


def _shape(node: Node) -> str:
    lines = [node.title or node.step_id, f"{node.step_id}: {node.kind}" if node.title else node.kind]
    label = "<br/>".join(_escape(line) for line in [*lines, *node.notes])
    if node.is_trigger:
        return f'(["{label}"])'
    return f'{{"{label}"}}' if node.is_branch else f'["{label}"]'


def _escape(text: str) -> str:
    """Letters, digits and a few signs as they are, every other character as Mermaid's entity for it."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(each if each.isalnum() or each in _PLAIN else f"#{ord(each)};" for each in cut)
