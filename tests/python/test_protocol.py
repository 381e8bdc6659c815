"""The protocol: every reason by an example, the JSON reader beside Python's, windows beside NumPy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport._core import protocol as core
from deepsport.errors import InvalidRequestError, SettingsError
from deepsport.protocol import (
    ProtocolForm,
    Reason,
    check_window,
    final_answer,
    parse_batch,
    parse_turn,
    render_answer,
    render_call,
    render_turn,
    uniform_indices,
    window_indices,
)

THINK = "<think>look</think>"


def call(body: str) -> str:
    return f"{THINK}<tool_call>{body}</tool_call>"


REJECTED = {
    "\ud800": Reason.INVALID_UTF8,
    b"<think>\xff</think><answer>A</answer>": Reason.INVALID_UTF8,
    f"<think>{'x' * (1 << 20)}</think><answer>A</answer>": Reason.TOO_LONG,
    "": Reason.THINK_MISSING,
    "<answer>A</answer>": Reason.THINK_MISSING,
    "Well. <think>a</think><answer>A</answer>": Reason.THINK_MISSING,
    "<think>a<answer>A</answer>": Reason.THINK_UNCLOSED,
    THINK: Reason.NO_ACTION,
    f"{THINK} the answer is B": Reason.NO_ACTION,
    f"{THINK}<tool_call>{{}}": Reason.TOOL_CALL_UNCLOSED,
    f"{THINK}<answer>A": Reason.ANSWER_UNCLOSED,
    f"{THINK}<answer>A</answer><answer>B</answer>": Reason.SEVERAL_ACTIONS,
    f"{THINK}{render_call((1, 5))}<answer>B</answer>": Reason.SEVERAL_ACTIONS,
    f"{THINK}{render_call((1, 5))}{render_call((6, 9))}": Reason.SEVERAL_ACTIONS,
    f"{THINK}<answer><answer>B</answer>": Reason.SEVERAL_ACTIONS,
    f"{THINK}So: <answer>B</answer>": Reason.TEXT_BEFORE_ACTION,
    f"{THINK}<answer>B</answer> sure": Reason.TEXT_AFTER_ACTION,
    f"{THINK}<answer>B</answer></answer>": Reason.TEXT_AFTER_ACTION,
    f"{THINK}<answer> </answer>": Reason.ANSWER_EMPTY,
    f"{THINK}<answer>A</think>B</answer>": Reason.ANSWER_HAS_TAG,
    call("choose_frames(1,2)"): Reason.JSON_MALFORMED,
    call('{"action":"choose_frames","frame_range":[1,2]'): Reason.JSON_MALFORMED,
    call("{'action':'choose_frames'}"): Reason.JSON_MALFORMED,
    call("[" * 100): Reason.JSON_TOO_DEEP,
    call(json.dumps({"action": "choose_frames", "note": "x" * 70000})): Reason.JSON_TOO_LARGE,
    call("[1,2]"): Reason.CALL_NOT_OBJECT,
    call('{"frame_range":[1,2]}'): Reason.ACTION_MISSING,
    call('{"action":7}'): Reason.ACTION_MISSING,
    call('{"action":"zoom"}'): Reason.ACTION_UNKNOWN,
    call('{"action":"choose_frames"}'): Reason.RANGE_MISSING,
    call('{"action":"choose_frames","frame_range":[1]}'): Reason.RANGE_NOT_INTEGERS,
    call('{"action":"choose_frames","frame_range":[1,2,3]}'): Reason.RANGE_NOT_INTEGERS,
    call('{"action":"choose_frames","frame_range":["1","2"]}'): Reason.RANGE_NOT_INTEGERS,
    call('{"action":"choose_frames","frame_range":[1,2.0]}'): Reason.RANGE_NOT_INTEGERS,
    call('{"action":"choose_frames","frame_range":[1,true]}'): Reason.RANGE_NOT_INTEGERS,
    call('{"action":"choose_frames","frame_range":[1,1e400]}'): Reason.JSON_MALFORMED,
    call('{"action":"choose_frames","frame_range":[1,99999999999999999999]}'): (
        Reason.RANGE_NOT_INTEGERS
    ),
}


@pytest.mark.parametrize(("text", "reason"), REJECTED.items(), ids=lambda v: repr(v)[:40])
def test_a_broken_turn_is_rejected_for_its_own_reason_with_a_message(text, reason):
    turn = parse_turn(text)
    assert turn.reason is reason
    assert not turn.ok
    assert turn.call is None
    assert turn.answer is None
    assert "Valid:" in turn.message


def test_every_reason_about_a_paper_turn_has_an_example():
    about_turns = {reason for reason in Reason if 1 <= reason <= 21}
    assert about_turns - set(REJECTED.values()) == {Reason.ARGUMENTS_MISSING}  # native form only


def test_reasons_are_the_same_in_python_and_cpp():
    assert core.reason_names() == {int(reason): reason.name.lower() for reason in Reason}


def test_the_papers_own_example_parses():
    text = (
        "<think>The foul must be near the end.</think>\n"
        '<tool_call>{"action":"choose_frames","frame_range":[120, 240]}</tool_call>'
    )
    turn = parse_turn(text)
    assert turn.ok
    assert turn.think == "The foul must be near the end."
    assert turn.call is not None
    assert turn.call.frame_range == (120, 240)
    assert turn.call.arguments == {"frame_range": [120, 240]}
    assert turn.message == ""


def test_further_arguments_are_kept():
    turn = parse_turn(
        call('{"action":"choose_frames","frame_range":[1,9],"why":"é \\ud83c\\udfc0"}')
    )
    assert turn.call is not None
    assert turn.call.arguments == {"frame_range": [1, 9], "why": "é 🏀"}


def test_other_actions_come_through_the_same_door_with_their_arguments():
    text = call('{"action":"zoom","box":[0.1,0.2,0.5,1],"deep":{"a":[null,true]}}')
    turn = parse_turn(text, actions=("choose_frames", "zoom"))
    assert turn.call is not None
    assert turn.call.name == "zoom"
    assert turn.call.arguments == {"box": [0.1, 0.2, 0.5, 1], "deep": {"a": [None, True]}}
    with pytest.raises(SettingsError, match="zoom"):
        _ = turn.call.frame_range


def test_native_form_reads_what_qwen_templates_write():
    text = (
        '<think>a</think>\n\n<tool_call>\n{"name": "choose_frames", "arguments": '
        '{"start_frame": 3, "end_frame": 40}}\n</tool_call>'
    )
    turn = parse_turn(text, ProtocolForm.NATIVE)
    assert turn.call is not None
    assert turn.call.frame_range == (3, 40)
    assert parse_turn(text).reason is Reason.ACTION_MISSING
    no_arguments = call('{"name":"choose_frames","start_frame":3,"end_frame":40}')
    assert parse_turn(no_arguments, ProtocolForm.NATIVE).reason is Reason.ARGUMENTS_MISSING


def test_without_a_required_thought_free_text_may_stand_before_the_action():
    assert parse_turn("It is B. <answer>B</answer>", require_think=False).answer == "B"
    assert parse_turn("<think></think><answer>B</answer>", require_think=False).ok
    with_thought = "<think>a</think>so<answer>B</answer>"
    assert parse_turn(with_thought, require_think=False).reason is Reason.TEXT_BEFORE_ACTION


def test_a_thought_may_be_empty_but_not_absent():
    assert parse_turn("<think></think><answer>B</answer>").think == ""


def test_tags_inside_the_thought_are_text():
    turn = parse_turn("<think>is it <answer>A</answer>?</think><answer>B</answer>")
    assert turn.answer == "B"
    assert turn.think == "is it <answer>A</answer>?"


windows = st.tuples(st.integers(-5, 10_000), st.integers(-5, 10_000))
plain = st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1).filter(
    lambda text: text.strip() != "" and text.strip(" \t\n\r\f\v") != ""
)


@given(plain, windows, st.sampled_from(ProtocolForm))
def test_what_is_rendered_is_parsed_back(think, frame_range, form):
    turn = parse_turn(render_turn(think, render_call(frame_range, form)), form)
    assert turn.ok
    assert turn.think == think
    assert turn.call is not None
    assert turn.call.frame_range == frame_range


@given(plain, plain)
def test_a_rendered_answer_is_parsed_back(think, answer):
    turn = parse_turn(render_turn(think, render_answer(answer)))
    assert turn.answer == answer.strip(" \t\n\r\f\v")


@pytest.mark.parametrize("text", ["", " ", "A</answer>", "<think>", "<tool_call>"])
def test_an_answer_that_could_not_be_read_back_is_not_rendered(text):
    with pytest.raises(SettingsError):
        render_answer(text)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: "</tool_call>" not in json.dumps(value))


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_arguments_are_what_python_json_reads(value, ascii_only, indent):
    body = {"action": "zoom", "value": value}
    try:
        text = call(json.dumps(body, ensure_ascii=ascii_only, indent=indent))
        text.encode()
    except UnicodeEncodeError:
        return
    if "<answer>" in text or "<tool_call>" in text[len(THINK) + 1 :]:
        return
    turn = parse_turn(text, actions=("zoom",))
    if turn.reason is Reason.JSON_MALFORMED:  # an escaped lone surrogate: no UTF-8 form
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
    elif turn.reason is not Reason.JSON_TOO_DEEP:
        assert turn.call is not None
        assert turn.call.arguments == {"value": value}


def _accepts(text: str) -> bool:
    try:
        value = json.loads(text, parse_constant=lambda name: 1 / 0)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, ZeroDivisionError):
        return False
    return isinstance(value, dict)


@given(st.text(st.sampled_from('{}[]":,\\ 01-.eEtruefalsn"u/\n\t'), max_size=24))
def test_the_reader_accepts_the_json_that_python_accepts(inside):
    for text in (
        inside,
        '{"action":"zoom","v":' + inside + "}",
        '{"action":"zoom","v":"' + inside + '"}',
    ):
        turn = parse_turn(call(text), actions=("zoom",))
        malformed = turn.reason in (Reason.JSON_MALFORMED, Reason.CALL_NOT_OBJECT)
        assert malformed != _accepts(text.strip(" \n\t")), text


@given(st.binary(max_size=200) | st.text(max_size=100))
def test_any_bytes_give_a_reason_and_never_an_exception(text):
    for form in ProtocolForm:
        parse_turn(text, form)
        parse_turn(text, form, require_think=False)
    final_answer(text)


@given(
    st.lists(
        st.sampled_from(
            [*REJECTED, call("{}"), f"{THINK}<answer>é</answer>", f"{THINK}{render_call((3, 9))}"]
        ),
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_a_batch_says_what_single_turns_say(texts, threads):
    arrays = parse_batch(texts, threads=threads)
    assert arrays.reason.shape == (len(texts),)
    for row, text in enumerate(texts):
        turn = parse_turn(text)
        assert arrays.reason[row] == turn.reason
        assert arrays.ok[row] == turn.ok
        assert arrays.action[row] == (1 if turn.call else 2 if turn.answer else 0)
        window = turn.call.frame_range if turn.call else None
        if window:
            assert tuple(arrays.frame_range[row]) == window
        data = text if isinstance(text, bytes) else text.encode(errors="replace")
        for span, part in ((arrays.think[row], turn.think), (arrays.answer[row], turn.answer)):
            found = data[span[0] : span[1]].decode() if span[0] >= 0 else None
            assert found == part


def test_other_objects_than_texts_are_a_type_error():
    with pytest.raises(TypeError, match="expected str or bytes, found int"):
        parse_turn(7)
    with pytest.raises(SettingsError, match="0 threads"):
        parse_batch(["a"], threads=0)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("no tags", None),
        ("<answer>A</answer> or rather <answer> B </answer>", "B"),
        ("<answer>A</answer> <answer>B", "A"),
        ("<answer>A<answer>B</answer>", "B"),
        ("</answer><answer>", None),
        ("<think><answer>A</answer></think>B", None),
        ("<think>x</think><answer>A</answer><think>y</think><answer>B</answer>", "B"),
        ("<answer></answer>", ""),
        ("\ud800<answer>A</answer>", None),
    ],
)
def test_the_final_answer_is_the_last_closed_one_outside_of_thoughts(text, answer):
    assert final_answer(text) == answer


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 20))
def test_window_indices_follow_the_lineage_formula(start, span, num):
    end = start + span
    expected = sorted({int(x) for x in np.linspace(start + 1, end - 1, num)})
    if span == 1:
        expected = [start]
    indices = window_indices(start, end, num)
    assert indices == expected
    assert all(start <= index < end for index in indices)


@given(st.integers(1, 10**9), st.integers(1, 20))
def test_uniform_indices_span_the_video(frame_count, num):
    expected = sorted({int(x) for x in np.linspace(0, frame_count - 1, num)})
    assert uniform_indices(frame_count, num) == expected


@pytest.mark.parametrize("bad", [(5, 5, 8), (6, 5, 8), (-1, 5, 8), (1, 5, 0)])
def test_a_window_without_frames_has_no_indices(bad):
    with pytest.raises(InvalidRequestError):
        window_indices(*bad)


@pytest.mark.parametrize("bad", [(0, 8), (5, 0)])
def test_a_video_without_frames_has_no_indices(bad):
    with pytest.raises(InvalidRequestError):
        uniform_indices(*bad)


@pytest.mark.parametrize(
    ("window", "earlier", "reason"),
    [
        ((40, 30), [], Reason.WINDOW_REVERSED),
        ((30, 30), [], Reason.WINDOW_EMPTY),
        ((-1, 30), [], Reason.WINDOW_OUTSIDE),
        ((300, 301), [], Reason.WINDOW_OUTSIDE),
        ((10**30, 10**31), [], Reason.WINDOW_EMPTY),
        ((30, 60), [(30, 60)], Reason.WINDOW_REPEATED),
        ((31, 59), [(0, 9), (30, 60)], Reason.WINDOW_REPEATED),
        ((32, 60), [(30, 60)], Reason.OK),
        ((290, 500), [(290, 900)], Reason.WINDOW_REPEATED),
        ((0, 300), [], Reason.WINDOW_FULL_RANGE),
        ((1, 299), [], Reason.WINDOW_FULL_RANGE),
        ((2, 300), [], Reason.OK),
        ((0, 9000), [], Reason.WINDOW_FULL_RANGE),
    ],
)
def test_windows_are_judged_against_video_and_history(window, earlier, reason):
    verdict = check_window(window, 300, earlier)
    assert verdict.reason is reason
    assert verdict.ok == (reason is Reason.OK)
    assert verdict.repeated == (str(reason) in ("window_repeated", "window_full_range"))
    assert verdict.ok or "Valid:" in verdict.message


def test_an_end_behind_the_video_is_cut_and_said():
    verdict = check_window((90, 500), 300)
    assert verdict.window == (90, 300)
    assert verdict.clamped
    assert "[90, 300]" in verdict.message


def test_the_lineage_refuses_windows_of_eight_frames():
    assert check_window((10, 18), 300, min_span=9).reason is Reason.WINDOW_TOO_SHORT
    assert check_window((10, 19), 300, min_span=9).ok
    assert check_window((0, 300), 300, full_range_shown=False).ok
