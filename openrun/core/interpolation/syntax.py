"""The syntax of an expression: Jinja's own parser, then an allowlist on its tree.

Only the parser is Jinja's. Its compiler folds constants, so that merely compiling `'x' * 10**8` builds the text,
and its run time reads Python attributes; neither is ever reached from here.
"""

import math
import re

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from openrun.core.interpolation.fault import FaultError, shorten
from openrun.core.limits import Limits

# Never renders anything, so there is nothing to escape.
_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701

_ALLOWED: frozenset[type[nodes.Node]] = frozenset(
    {
        *(
            nodes.Add,
            nodes.Sub,
            nodes.Mul,
            nodes.Div,
            nodes.FloorDiv,
            nodes.Mod,
            nodes.Pow,
            nodes.Neg,
            nodes.Pos,
        ),
        *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.Concat),
        *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair),
        *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword),
    }
)
# What Python's decoder knows and does not warn about; anything else is a slip.
_ESCAPE = re.compile(
    r"""\\(?:([\\'"abfnrtv\n]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|0(?![0-7]))|.)""", re.DOTALL
)


def parse_expression(source: str, limits: Limits) -> tuple[nodes.Expr, list[nodes.Node]]:
    """The tree of one expression and all its nodes, each of which is allowed, each constant small."""
    for match in _ESCAPE.finditer(source):
        if match[1] is None:
            raise FaultError(f"unknown escape {match[0]!r}; write \\\\ for a backslash")
    try:
        parser = Parser(_ENVIRONMENT, source, state="variable")
        tree = parser.parse_expression()
        rest = parser.stream.current
    except TemplateSyntaxError as error:
        raise FaultError(
            (error.message or "bad syntax").replace("of template", "of the expression")
        ) from None
    except (ValueError, RecursionError) as error:
        raise FaultError(f"bad syntax: {error}") from None
    if rest.type != "eof":
        raise FaultError(f"unexpected {shorten(str(rest.value))!r} after the expression")
    return tree, _checked(tree, limits)


def _checked(tree: nodes.Expr, limits: Limits) -> list[nodes.Node]:
    level: list[nodes.Node] = [tree]
    found: list[nodes.Node] = []
    for _ in range(limits.template_depth):
        found += level
        if len(found) > limits.template_nodes:
            raise FaultError(f"more than {limits.template_nodes:,} parts")
        for node in level:
            _check_node(node, limits)
        level = [child for node in level for child in node.iter_child_nodes()]
    if level:
        raise FaultError(f"nested deeper than {limits.template_depth} levels")
    return found


def _check_node(node: nodes.Node, limits: Limits) -> None:
    if type(node) not in _ALLOWED:
        hint = "; use a filter, as in items | length" if isinstance(node, nodes.Call) else ""
        raise FaultError(f"a {type(node).__name__.lower()} is not allowed{hint}")
    if isinstance(node, nodes.Const):
        _check_constant(node.value, limits)
    elif isinstance(node, (nodes.Filter, nodes.Test)) and (node.dyn_args or node.dyn_kwargs):
        raise FaultError(f"* and ** are not allowed in the options of {node.name!r}")
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Tuple):
        raise FaultError("one index or key is expected in [ ]")


def _check_constant(value: object, limits: Limits) -> None:
    if isinstance(value, int) and value.bit_length() > limits.template_integer_bits:
        raise FaultError(f"an integer larger than {limits.template_integer_bits:,} bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise FaultError("a number that is too large")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FaultError("a string has a lone surrogate, which is no character") from None
