"""One string as a template: literals and holes, compiled once and rendered often."""

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.expression import compile_expression
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.filling import Evaluate, Filling
from openrun.core.interpolation.printing import text_of
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.interpolation.reference import compile_reference
from openrun.core.interpolation.scan import Hole, has_opener, split
from openrun.core.limits import Limits
from openrun.core.strict_json import TOO_LARGE
from openrun.core.types import Json

# What an operation on plain data can raise that was not foreseen by name; none may leave a template.
_UNFORESEEN = (ArithmeticError, TypeError, ValueError, LookupError, RecursionError)


def compile_text(text: str, limits: Limits) -> str | Filling:
    """The text itself, escapes undone, or what fills it in; raises `TemplateError` that names the fault."""
    if not has_opener(text):
        return text
    try:
        pieces = list(split(text, limits))
    except FaultError as fault:
        raise fault.named(text) from None
    parts = [_compile_hole(piece, limits) if isinstance(piece, Hole) else piece for piece in pieces]
    fillings = [part for part in parts if isinstance(part, Filling)]
    if len(fillings) == len(parts) == 1:
        return fillings[0]
    if not fillings:
        return "".join(map(str, pieces))
    return merged(_joined(text, parts, limits), fillings)


def merged(evaluate: Evaluate, fillings: list[Filling]) -> Filling:
    """One filling out of many, which reads what they all read."""
    return Filling(
        evaluate=evaluate,
        roots=frozenset().union(*(filling.roots for filling in fillings)),
        step_refs=frozenset().union(*(filling.step_refs for filling in fillings)),
    )


def _compile_hole(hole: Hole, limits: Limits) -> Filling:
    try:
        if hole.opener == "<<":
            filling = compile_reference(hole.source, limits)
        else:
            filling = compile_expression(hole.source, limits)
    except FaultError as fault:
        raise fault.named(str(hole)) from None
    except RecursionError:
        raise FaultError("nested too deeply").named(str(hole)) from None
    return Filling(
        evaluate=_guarded(str(hole), filling.evaluate),
        roots=filling.roots,
        step_refs=filling.step_refs,
        null=filling.null,
    )


def _guarded(source: str, evaluate: Evaluate) -> Evaluate:
    """Starts the budget of one template, names it in what goes wrong, and lets nothing missing out."""

    def guarded(reader: Reader, budget: Budget) -> Json:
        budget.begin()
        try:
            value = evaluate(reader, budget)
        except FaultError as fault:
            raise fault.named(source) from None
        except _UNFORESEEN as error:
            raise FaultError(f"{type(error).__name__}: {error}").named(source) from error
        return None if value is MISSING else value

    return guarded


def _joined(source: str, parts: list[str | Filling], limits: Limits) -> Evaluate:
    limit = limits.template_output_bytes

    def evaluate(reader: Reader, budget: Budget) -> Json:
        texts = []
        size = 0
        for part in parts:
            text = (
                part if isinstance(part, str) else text_of(budget, part.evaluate(reader, budget), part.null)
            )
            # Before the parts are joined, so that many references to one large text stay cheap.
            size += len(text)
            if size > limit:
                raise FaultError(f"a text larger than {limit:,} bytes", TOO_LARGE)
            texts.append(text)
        joined = "".join(texts)
        if not joined.isascii() and len(joined.encode()) > limit:
            raise FaultError(f"a text larger than {limit:,} bytes", TOO_LARGE)
        return joined

    return _guarded(source, evaluate)
