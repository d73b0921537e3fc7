"""Expressions, as closures over the parsed tree: `{{ user.name | upper }}`.

Each node becomes one closure that reads plain data and gives plain data or `MISSING`. A missing name, and
anything below it, is missing; it prints as nothing, and computing with it is a fault. Names are read with
data's own rules only: a key of an object, an index of a list or a text, never a Python attribute.
"""

import re
from collections.abc import Callable
from typing import Any, cast

from jinja2 import nodes

from openrun.core.interpolation import operators, syntax
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.filling import Evaluate, Filling
from openrun.core.interpolation.filters import apply, check_filter, check_test
from openrun.core.interpolation.path import Path, Step, down, kind_of, named_step
from openrun.core.interpolation.printing import text_of
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.limits import Limits
from openrun.core.types import Json

_PLAIN = re.compile(r"\s*+([A-Za-z_]\w*+)((?:\.(?:[A-Za-z_]\w*+|0|[1-9][0-9]{0,9}+))*+)\s*+", re.ASCII)
_WORDS = frozenset(
    {"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"}
)


def compile_expression(source: str, limits: Limits) -> Filling:
    """Parse, check and compile; raises `FaultError`. A plain dotted path never meets Jinja."""
    match = _PLAIN.fullmatch(source)
    if match and match[1] not in _WORDS:
        steps = tuple(map(named_step, match[2].split(".")[1:]))
        plain = Path(source.strip(), match[1], steps)
        return Filling(evaluate=_reading(plain), roots=frozenset({plain.root}), step_refs=plain.step_refs())
    if not source.strip():
        raise FaultError("an expression is expected")
    if source[0] in "+-":
        raise FaultError(f"{{{{{source[0]} is not supported; put a space before {source[0]!r}")
    tree, parts = syntax.parse_expression(source, limits)
    paths = [path for part in parts if (path := _static_path(part))]
    return Filling(
        evaluate=_compile(tree),
        roots=frozenset(path.root for path in paths),
        step_refs=frozenset().union(*(path.step_refs() for path in paths)),
    )


def _compile(node: nodes.Node) -> Evaluate:
    return _COMPILERS[type(node)](node)


def _static_path(node: nodes.Node | None) -> Path | None:
    """The path that a chain of names and constant keys spells, if the node is one."""
    steps: list[Step] = []
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr():
                steps.append(Step(node.attr, None))
            case nodes.Getitem(arg=nodes.Const(value=str() as key)):
                steps.append(Step(key, None))
            case nodes.Getitem(arg=nodes.Const(value=int() as index)) if (
                index is not True and index is not False
            ):
                steps.append(Step(str(index), index))
            case _:
                return None
        node = node.node
    steps.reverse()
    return Path(node.name + "".join(map(str, steps)), node.name, tuple(steps))


def _reading(path: Path) -> Evaluate:
    root, steps = path.root, path.steps
    if not steps:
        return lambda reader, _budget: reader.read(root)
    if all(step.position is None for step in steps):
        return lambda reader, _budget: down(reader.read(root), steps)

    def evaluate(reader: Reader, _budget: Budget) -> Json:
        value = reader.read(root)
        for step in steps:
            value = _item(value, step.key if step.position is None else step.position)
        return value

    return evaluate


def _item(value: Json, key: Json) -> Json:
    """`value[key]` as data: an absent key or index is missing, and so is anything below what is missing."""
    if type(key) is int:
        if type(value) is dict:
            return value.get(str(key), MISSING)
        if (type(value) is list or type(value) is str) and -len(value) <= key < len(value):
            return value[key]
        return MISSING
    if type(key) is str:
        return value.get(key, MISSING) if type(value) is dict else MISSING
    if key is MISSING:
        return MISSING
    raise FaultError(f"{kind_of(key)} is no index or key")


def _attribute(node: nodes.Getattr) -> Evaluate:
    path = _static_path(node)
    if path:
        return _reading(path)
    whole, key = _compile(node.node), node.attr
    return lambda reader, budget: _item(whole(reader, budget), key)


def _subscript(node: nodes.Getitem) -> Evaluate:
    path = _static_path(node)
    if path:
        return _reading(path)
    whole = _compile(node.node)
    if isinstance(node.arg, nodes.Slice):
        return _slice(whole, node.arg)
    key = _compile(node.arg)
    return lambda reader, budget: _item(whole(reader, budget), key(reader, budget))


def _slice(whole: Evaluate, node: nodes.Slice) -> Evaluate:
    bounds = [_compile(bound) if bound else _value(None) for bound in (node.start, node.stop, node.step)]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        value = whole(reader, budget)
        start, stop, step = (_bound(bound(reader, budget)) for bound in bounds)
        if value is MISSING:
            return MISSING
        if step == 0 or not (type(value) is list or type(value) is str):
            raise FaultError("a slice with step 0" if step == 0 else f"{kind_of(value)} cannot be sliced")
        return budget.made(value[start:stop:step])

    return evaluate


def _bound(value: Json) -> int | None:
    if value is None or type(value) is int:
        return value
    raise FaultError(f"{kind_of(value)} is no bound of a slice")


def _binary(node: nodes.BinExpr) -> Evaluate:
    operate = _BINARY[type(node)]
    left, right = _compile(node.left), _compile(node.right)
    # Names, not nodes: a closure that held a node would keep the whole tree in memory.
    left_name, right_name = _operand(node.left), _operand(node.right)

    def evaluate(reader: Reader, budget: Budget) -> Json:
        one, other = left(reader, budget), right(reader, budget)
        if one is MISSING or other is MISSING:
            raise _missing_operand(left_name if one is MISSING else right_name)
        return operate(budget, one, other)

    return evaluate


def _unary(node: nodes.UnaryExpr) -> Evaluate:
    operate = operators.negate if isinstance(node, nodes.Neg) else operators.positive
    operand, name = _compile(node.node), _operand(node.node)

    def evaluate(reader: Reader, budget: Budget) -> Json:
        value = operand(reader, budget)
        if value is MISSING:
            raise _missing_operand(name)
        return operate(budget, value)

    return evaluate


def _operand(node: nodes.Expr) -> str:
    path = _static_path(node)
    return repr(path.source) if path else "a value"


def _missing_operand(what: str) -> FaultError:
    return FaultError(f"cannot compute with {what}, which is missing; | default(...) gives it a value")


def _not(node: nodes.Not) -> Evaluate:
    operand = _compile(node.node)
    return lambda reader, budget: not operand(reader, budget)


def _and(node: nodes.And) -> Evaluate:
    left, right = _compile(node.left), _compile(node.right)
    return lambda reader, budget: left(reader, budget) and right(reader, budget)


def _or(node: nodes.Or) -> Evaluate:
    left, right = _compile(node.left), _compile(node.right)
    return lambda reader, budget: left(reader, budget) or right(reader, budget)


def _compare(node: nodes.Compare) -> Evaluate:
    first = _compile(node.expr)
    rest = [(_COMPARISONS[operand.op], _compile(operand.expr)) for operand in node.ops]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        left = first(reader, budget)
        for compare, operand in rest:
            right = operand(reader, budget)
            if not compare(budget, left, right):
                return False
            left = right
        return True

    return evaluate


def _condition(node: nodes.CondExpr) -> Evaluate:
    test, then = _compile(node.test), _compile(node.expr1)
    otherwise = _compile(node.expr2) if node.expr2 else _value(MISSING)

    def evaluate(reader: Reader, budget: Budget) -> Json:
        return (then if test(reader, budget) else otherwise)(reader, budget)

    return evaluate


def _concat(node: nodes.Concat) -> Evaluate:
    parts = [_compile(part) for part in node.nodes]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        texts = [text_of(budget, part(reader, budget)) for part in parts]
        budget.reserve(sum(map(len, texts)))
        return budget.made("".join(texts))

    return evaluate


def _list(node: nodes.List | nodes.Tuple) -> Evaluate:
    parts = [_compile(part) for part in node.items]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        return budget.made([_present(part(reader, budget)) for part in parts])

    return evaluate


def _dict(node: nodes.Dict) -> Evaluate:
    pairs = [(_compile(pair.key), _compile(pair.value)) for pair in node.items]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        made = {_key(key(reader, budget)): _present(value(reader, budget)) for key, value in pairs}
        return budget.made(made)

    return evaluate


def _key(key: Json) -> str:
    if type(key) is str:
        return key
    raise FaultError(f"a key of an object is text, not {kind_of(key)}")


def _present(value: Json) -> Json:
    return None if value is MISSING else value


def _filter(node: nodes.Filter) -> Evaluate:
    function = check_filter(node.name, *_options(node))
    subject = _compile(cast("nodes.Expr", node.node))
    args = [_compile(arg) for arg in node.args]
    options = {option.key: _compile(option.value) for option in _keywords(node)}

    def evaluate(reader: Reader, budget: Budget) -> Json:
        value = subject(reader, budget)
        given = [arg(reader, budget) for arg in args]
        named = {name: option(reader, budget) for name, option in options.items()}
        return apply(budget, function, value, given, named)

    return evaluate


def _test(node: nodes.Test) -> Evaluate:
    check = check_test(node.name, *_options(node))
    subject = _compile(node.node)
    args = [_compile(arg) for arg in node.args]
    return lambda reader, budget: check(
        budget, subject(reader, budget), *[arg(reader, budget) for arg in args]
    )


def _options(node: nodes.Filter | nodes.Test) -> tuple[list[Any], list[str]]:
    """The options as far as they are constant, and the names of those that are named."""
    args = [arg.value if isinstance(arg, nodes.Const) else None for arg in node.args]
    return args, [option.key for option in _keywords(node)]


def _keywords(node: nodes.Filter | nodes.Test) -> list[nodes.Keyword]:
    # Declared by Jinja as pairs, which its own parser never makes.
    return cast("list[nodes.Keyword]", node.kwargs)


def _value(value: Json) -> Evaluate:
    return lambda _reader, _budget: value


_BINARY: dict[type[nodes.Node], operators.Operate] = {
    nodes.Add: operators.add,
    nodes.Sub: operators.subtract,
    nodes.Mul: operators.multiply,
    nodes.Div: operators.divide,
    nodes.FloorDiv: operators.floor_divide,
    nodes.Mod: operators.modulo,
    nodes.Pow: operators.power,
}
_COMPARISONS: dict[str, operators.Operate] = {
    "eq": operators.equal,
    "ne": operators.not_equal,
    "lt": operators.less,
    "lteq": operators.less_or_equal,
    "gt": operators.greater,
    "gteq": operators.greater_or_equal,
    "in": operators.contained,
    "notin": operators.not_contained,
}
_COMPILERS: dict[type[nodes.Node], Callable[[Any], Evaluate]] = {
    **dict.fromkeys(_BINARY, _binary),
    nodes.And: _and,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.CondExpr: _condition,
    nodes.Const: lambda node: _value(node.value),
    nodes.Dict: _dict,
    nodes.Filter: _filter,
    nodes.Getattr: _attribute,
    nodes.Getitem: _subscript,
    nodes.List: _list,
    nodes.Name: lambda node: _reading(Path(node.name, node.name, ())),
    nodes.Neg: _unary,
    nodes.Not: _not,
    nodes.Or: _or,
    nodes.Pos: _unary,
    nodes.Test: _test,
    nodes.Tuple: _list,
}
