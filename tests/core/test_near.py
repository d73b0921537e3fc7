from openrun.core.limits import Limits
from openrun.core.near import did_you_mean, effort, quoted
from openrun.definition.faults import Faults


def test_the_nearest_name_is_suggested() -> None:
    assert did_you_mean("fecth", ["store", "fetch"]) == "did you mean 'fetch'?"


def test_a_few_names_are_listed_when_none_is_near() -> None:
    assert did_you_mean("x", ["b", "a", "a"]) == "known: 'a', 'b'"
    assert did_you_mean("x", []) is None
    assert did_you_mean("x", map(str, range(100, 113))) is None


def test_looking_is_given_up_where_it_would_take_long() -> None:
    assert did_you_mean("x" * 81, ["x" * 80]) == f"known: {'x' * 80!r}"
    assert did_you_mean("name-1", [f"name-{at}" + "x" * 60 for at in range(2_000)]) is None
    assert effort("abc", ["de", "f"]) == 9


def test_long_names_are_cut() -> None:
    assert quoted("a'b") == '"a\'b"'
    assert quoted("x" * 100) == f"{'x' * 80!r}…"


def test_faults_of_a_body_belong_to_its_step_unless_they_name_one() -> None:
    faults = Faults()
    inside = faults.below("/steps/0/config/body", "f").below("/steps/1/config/body", "g")
    assert not inside.any_here
    inside.add("A", "x", "/edges/0")
    inside.add("B", "x" * 2_000, "/steps/0", step="s")
    assert inside.any_here
    assert not Faults().any_here
    one, other = faults.found
    assert (one.pointer, one.step_id) == ("/steps/0/config/body/steps/1/config/body/edges/0", "g")
    assert (other.step_id, len(other.message)) == ("s", 1_001)


def test_a_fault_too_many_is_told_once() -> None:
    faults = Faults(Limits(document_faults=2))
    for _ in range(5):
        faults.add("A", "x")
    assert [fault.code for fault in faults.found] == ["A", "A", "TOO_MANY_FAULTS"]
    assert faults.full
