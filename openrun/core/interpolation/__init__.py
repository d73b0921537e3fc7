"""Templates in JSON values: `<<path>>` references and `{{ expression }}`s, parsed once, rendered within bounds."""

from openrun.core.interpolation.compiled import Compiled, compile_value, find_faults, has_template
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.interpolation.scan import escape

__all__ = ["MISSING", "Compiled", "Reader", "compile_value", "escape", "find_faults", "has_template"]
