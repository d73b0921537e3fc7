"""Laws that hold of random flows in random order."""

import random

from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from .generators import Drawn, random_dag, random_flow, random_loop
from .laws import (
    ALL_JOINS,
    agrees_with_the_oracle,
    does_not_depend_on_the_order,
    ends_whatever_the_order,
)

SEEDS = st.integers(0, 2**32)
CHANCES = st.randoms(use_true_random=False)

# Derandomized, so that a failure is the same everywhere; the blob it prints brings it back.
LAWS = settings(
    derandomize=True,
    print_blob=True,
    deadline=None,
    max_examples=600,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def shown(drawn: Drawn) -> Drawn:
    note(repr(drawn))
    return drawn


@LAWS
@given(CHANCES, SEEDS)
def test_every_run_ends_starves_nowhere_and_folds_to_itself(chance: random.Random, seed: int) -> None:
    ends_whatever_the_order(shown(random_flow(chance)), seed)


@LAWS
@given(CHANCES, SEEDS, st.integers(2, 30), st.booleans())
def test_every_run_ends_when_it_is_cancelled_at_any_point(
    chance: random.Random, seed: int, point: int, hard: bool
) -> None:
    ends_whatever_the_order(shown(random_flow(chance)), seed, cancel_at=point, hard=hard)


@LAWS
@given(CHANCES, SEEDS)
def test_what_the_page_says_of_a_flow_is_what_the_machine_makes_of_it(chance: random.Random, seed: int) -> None:
    assume(agrees_with_the_oracle(shown(random_dag(chance)), seed))


@LAWS
@given(CHANCES, SEEDS)
def test_outcomes_do_not_depend_on_who_ends_first(chance: random.Random, seed: int) -> None:
    does_not_depend_on_the_order(shown(random_dag(chance, many=ALL_JOINS, depth=1)), seed)


@LAWS
@given(CHANCES, SEEDS)
def test_outcomes_of_loops_do_not_depend_on_who_ends_first(chance: random.Random, seed: int) -> None:
    does_not_depend_on_the_order(shown(random_loop(chance)), seed)
