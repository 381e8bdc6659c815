"""Templates: nothing in the text of a question tells its answer; and the baselines that look."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport.sources.blind import blind_baselines, blind_table
from deepsport.sources.interface import Context, Rejected
from deepsport.sources.templates import Template, choices, shuffle_options, thin
from deepsport.task import Dimension, Kind, Media, Task, Truth

families = st.dictionaries(
    st.text("abcdefghijklmnop", min_size=1, max_size=12),
    st.integers(0, 500),
    min_size=2,
    max_size=15,
)


@given(family=families, seed=st.integers(0, 1000), count=st.integers(2, 6))
def test_the_right_option_is_there_once_and_its_letter_is_right(family, seed, count):
    right = min(family)
    try:
        options, letter = choices(random.Random(seed), right, family, count=count)
    except Rejected as verdict:
        assert verdict.reason == "thinned: answer too frequent"
        return
    assert options[ord(letter) - ord("A")] == right
    assert len(set(options)) == len(options) <= count
    assert set(options) <= set(family)


def _asked(counts, rounds=4000):
    """Ask about labels that come as often as counted; return right labels and options."""
    rng, labels = random.Random(0), sorted(counts)
    asked = []
    for i in range(rounds):
        label = rng.choices(labels, [counts[name] for name in labels])[0]
        try:
            asked.append((label, *choices(Context().random("t", i), label, counts)))
        except Rejected:
            continue
    return asked


@pytest.mark.parametrize(
    "counts",
    [
        {"goal": 25, "corner": 125, "shot off target": 96, "event that leads to a corner": 82,
         "save by the goalkeeper": 65, "injury": 23, "offside": 45, "yellow card": 49},
        {"ground stroke": 4345, "slice": 555, "volley": 84, "lob": 65, "smash": 22, "drop": 40},
        {"a": 900, "bb": 50, "ccc": 50},
        {name * 3: 10 for name in "abcdefgh"},
    ],
)  # fmt: skip
def test_neither_position_nor_length_nor_frequency_of_an_option_tells_the_answer(counts):
    asked = _asked(counts)
    assert len(asked) > 200
    chance = sum(1 / len(options) for _, options, _ in asked) / len(asked)
    # four standard errors, and two points for labels that thinning cannot make even
    allowed = chance + 4 * (chance * (1 - chance) / len(asked)) ** 0.5 + 0.02

    def share(guess):
        return sum(guess(options) == label for label, options, _ in asked) / len(asked)

    assert share(lambda options: max(options, key=len)) < allowed
    assert share(lambda options: min(options, key=len)) < allowed
    assert share(lambda options: max(options, key=counts.get)) < allowed
    assert share(lambda options: min(options, key=counts.get)) < allowed
    letters = Counter(letter for *_, letter in asked)
    assert max(letters.values()) / len(asked) < allowed


def test_thinning_leaves_no_answer_more_frequent_than_an_even_share():
    family = {"no": 900, "yes": 100}
    rng = random.Random(3)
    kept: Counter[str] = Counter()
    for label, n in family.items():
        for _ in range(n):
            try:
                thin(rng, label, family, 2)
                kept[label] += 1
            except Rejected:
                continue
    assert kept["yes"] == 100
    assert 75 <= kept["no"] <= 130


def test_an_even_family_is_not_thinned():
    family = dict.fromkeys("abcd", 50)
    for seed in range(100):
        thin(random.Random(seed), "a", family)


def test_a_label_without_company_is_a_rejection():
    with pytest.raises(Rejected, match="no distractors"):
        choices(random.Random(0), "a", {"a": 3})
    with pytest.raises(Rejected, match="no distractors"):
        choices(random.Random(0), "a", {"a": 3, "b": 2}, exclude={"b"})


def test_wordings_differ_and_the_seed_alone_decides():
    template = Template("f", Dimension.RULES, ("One {x}?", "Two {x}?", "Three {x}?"))
    texts = [template.ask(Context(seed=1).random("row", i), x="y") for i in range(60)]
    assert set(texts) == {"One y?", "Two y?", "Three y?"}
    assert texts == [template.ask(Context(seed=1).random("row", i), x="y") for i in range(60)]
    assert texts != [template.ask(Context(seed=2).random("row", i), x="y") for i in range(60)]


@given(
    options=st.lists(st.text("abc ", min_size=1), min_size=2, max_size=8, unique=True),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_shuffling_moves_the_letters_with_the_options(options, seed, data):
    right = data.draw(st.lists(st.sampled_from(range(len(options))), min_size=1, unique=True))
    letters = sorted(chr(65 + i) for i in right)
    new, now = shuffle_options(random.Random(seed), options, letters)
    assert sorted(new) == sorted(options)
    assert {new[ord(a) - 65] for a in now} == {options[ord(a) - 65] for a in letters}


def test_none_of_the_above_stays_last():
    for seed in range(20):
        options, (right,) = shuffle_options(
            random.Random(seed), ["None of the above", "x", "y"], ["A"]
        )
        assert (options[-1], right) == ("None of the above", "C")


def _choice(i, options, letter, group="", family="f"):
    return Task(
        f"t{i}", Kind.CHOICE, "Which?", Truth(labels=(letter,)), (Media(f"{i}.mp4"),), options,
        group=group or f"g{i}", source="s", family=family,
    )  # fmt: skip


def test_blind_baselines_of_hand_made_questions():
    # position: A right in 3 of 4; longest: right in tasks 0, 1, 2; shortest never
    tasks = [
        _choice(0, ("long one", "b"), "A"),
        _choice(1, ("longer", "c"), "A"),
        _choice(2, ("d", "longest"), "B"),
        _choice(3, ("e", "longer"), "A"),
    ]
    row = next(r for r in blind_baselines(tasks) if r.family == "f")
    assert (row.tasks, row.chance, row.position) == (4, 0.5, 0.75)
    assert (row.longest, row.shortest) == (0.75, 0.25)


def test_a_text_that_is_always_right_is_learned_over_groups_and_not_within_one():
    options = ("None of the above", "x", "y", "z")
    spread = [_choice(i, options, "A") for i in range(60)]
    assert next(iter(blind_baselines(spread))).text == 1.0
    assert next(iter(blind_baselines(spread))).guessable
    lone = [_choice(i, options, "A", group="one") for i in range(60)]
    assert next(iter(blind_baselines(lone))).text == 0.25


def test_the_table_marks_what_can_be_guessed():
    options = ("None of the above", "x", "y", "z")
    table = blind_table(blind_baselines([_choice(i, options, "A") for i in range(60)]))
    assert "f *" in table
    assert "100.0" in table
