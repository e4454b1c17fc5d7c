"""The list of guards that `make mutants` switches off fits the source."""

from __future__ import annotations

import pytest

from verification.mutants import ROOT, Mutant, read


@pytest.mark.parametrize("mutant", read(), ids=lambda mutant: mutant.guard)
def test_guard_is_where_the_list_says(mutant: Mutant) -> None:
    """Each change stands for one place in the source, and its test is there."""
    assert mutant.misfit(ROOT) == ""


def test_guards_have_names_of_their_own() -> None:
    """No guard is listed twice."""
    names = [mutant.guard for mutant in read()]
    assert len(names) == len(set(names))
