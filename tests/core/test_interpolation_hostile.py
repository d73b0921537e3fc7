"""Hostile templates and hostile JSON cost little time and little memory, whether validated or rendered."""

import subprocess
import sys
import textwrap

PRELUDE = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from openrun.core.errors import JsonError, TemplateError
from openrun.core.interpolation import MISSING, compile_value, find_faults
from openrun.core.strict_json import canonical, decode, plain

class State(dict):
    def read(self, root): return self.get(root, MISSING)
    def roots(self): return self.keys()
    def step_output(self, step_id): return self.get("steps", {}).get(step_id, MISSING)
    def everything(self): return dict(self)

def attempt(act):
    try:
        act()
    except (JsonError, TemplateError):
        pass

words = ["word"] * 90_000
state = State(text="x" * 1_900_000, many=list(range(90_000)), words=words, deep={"a": [[[{"b": 1}] * 30] * 30] * 30})
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime
resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 3, int(cpu) + 3))
before = used.ru_maxrss
"""

POSTLUDE = """
used = resource.getrusage(resource.RUSAGE_SELF)
print((used.ru_maxrss - before) // 1024, round(used.ru_utime + used.ru_stime - cpu, 3))
"""


def growth_and_time(body: str) -> tuple[int, float]:
    """What a child process took to run `body`: MB of memory and seconds of processor, both beyond start-up."""
    program = PRELUDE + textwrap.dedent(body) + POSTLUDE
    child = subprocess.run(  # noqa: S603 (our own interpreter and text)
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    megabytes, seconds = child.stdout.split()
    return int(megabytes), float(seconds)


def test_hostile_templates_stay_within_two_seconds_and_128_mb() -> None:
    megabytes, seconds = growth_and_time(
        """
        doubling = "[0]"
        for _ in range(12):
            doubling = f"[{doubling},{doubling}]"
        hostile = [
            "'x'*10**8", "(10**(10**8))", "(9**9)**9**9", "9**9**9**9**9", "[0]*10**9", "[[0]*999]*999999",
            "(((([0]*100)*100)*100)*100)", doubling, "range(10**9)", "range(10**9)|list", "'%999999999d' % 1",
            "(" * 15_000, "(" * 16_000 + ")" * 16_000, "[" * 16_000, "{" * 10_000, "not " * 8_000 + "a",
            "-" * 30_000 + "1", "1" + "+1" * 15_000, "a" + ".b" * 15_000, "a" + "|list" * 5_000,
            "1 if 1 else " * 2_500 + "1", "9" * 32_000, "0x" + "f" * 32_000, "'" + "x" * 32_000 + "'",
            "'" + "\\\\\\\\" * 8_000, "a" + "[0]" * 10_000, "1e" + "9" * 30_000, "x" * 32_000,
            "text * 2", "text ~ text", "[text, text, text]", "text|list", "text|replace('', 'y')",
            "text|replace('x', 'y' * 999999)", "text|upper|lower|upper|lower", "text|split('x')", "text|split",
            "('x ' * 499999)|split", "text|b64encode|b64encode", "text|urlencode", "text|reverse", "text|tojson",
            "many|sort", "many|map('string')|map('string')", "many|unique", "many|sum", "many|join(text)",
            "words|join(',')", "[many]*9", "[[[[[[[[many]]]]]]]]", "many == many", "many|list|list|list",
            "words|map('map', 'map', 'map', 'upper')", "deep|tojson", "deep.a|map('join')|join", "many in [many]*1",
            "''.__class__.__mro__[1].__subclasses__()", "x|attr('__class__')", "'\\\\N{BULLET}'",
            *(["('x'*999999)|length", "[many, many]|length"] * 9),
        ]
        for source in hostile:
            attempt(lambda: compile_value("{{ " + source + " }}").render(state))
        """
    )
    assert megabytes < 128
    assert seconds < 2


def test_hostile_references_and_configs_stay_within_two_seconds_and_128_mb() -> None:
    megabytes, seconds = growth_and_time(
        """
        for template in ["<<$..*>>", "<<$..*..*..*>>", "<<$.deep..*..b>>", "<<$.many[*]>>", "<<$" + ".*" * 10_000 + ">>",
                         "<<a" + ".b" * 16_000 + ">>", "<<" * 15_000, "<<'" * 10_000, "{{'" * 10_000, "<<text>>" * 900,
                         "<<nope" + "x" * 30_000 + ">>", "x<<$..*>>x", "\\\\" * 100_000 + "<<"]:
            attempt(lambda: compile_value(template).render(state))
        attempt(lambda: compile_value(["<<text>>"] * 10_000).render(state))
        attempt(lambda: compile_value(["<<many>>"] * 10_000).render(state))
        attempt(lambda: compile_value(["{{ ('x'*999999)|length }}"] * 3_000).render(state))
        """
    )
    assert megabytes < 128
    assert seconds < 2


def test_ten_thousand_small_templates_compile_and_render_within_two_seconds() -> None:
    megabytes, seconds = growth_and_time(
        """
        config = [text for i in range(2_500) for text in
                  (f"{{{{ many[{i}] + 1 }}}}", f"{{{{ many.{i} }}}}", f"<<many.{i}>>", f"n: <<many[{i}]>>")]
        assert compile_value(config).render(state)[-4:] == [2_500, 2_499, 2_499, "n: 2499"]
        assert compile_value("{{ many.1 }}," * 10_000).render(state) == "1," * 10_000
        assert len(find_faults(["{{ x | uper }}"] * 15_000)) == 100
        """
    )
    assert megabytes < 128
    assert seconds < 2


def test_hostile_json_stays_within_two_seconds_and_128_mb() -> None:
    megabytes, seconds = growth_and_time(
        """
        size = 1_900_000
        for text in ["[" * size, '{"a":' * (size // 5), "9" * size, "-" + "9" * size, "0." + "1" * size, "1e" + "9" * size,
                     '"' * size, '"\\\\"' * (size // 3), '["' + '\\\\"' * (size // 2 - 5), "[" + "9,[" * (size // 3),
                     "[" + "1," * (size // 2) + "1]", "[" + "[],," * (size // 4), "{" + '"a":1,' * (size // 6),
                     "[" + "[ " * (size // 2), '"' + "\\\\ud800" * (size // 6) + '"', "\\ud800" * (size // 3),
                     "[" + ("9" * 1_233 + ",") * 1_500 + "1]", " " * size, "\\n" * size, '["' + "[" * size + '"]']:
            attempt(lambda: decode(text))
            attempt(lambda: decode(text.encode("utf-8", "replace")))
        doubling = [1]
        for _ in range(60):
            doubling = [doubling, doubling]
        cycle = {}
        cycle["a"] = cycle
        for value in [doubling, cycle, ["x" * 1_900_000] * 90_000, [[]] * 99_999, "\\x01" * 1_900_000, 1 << 10**7,
                      {"a" * 1_000_000: "b" * 1_000_000}, list(range(10**6))]:
            attempt(lambda: plain(value))
        """
    )
    assert megabytes < 128
    assert seconds < 2
