"""The data doctor: each known defect is named and counted, and a clean folder is called clean."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from deepsport.cli.main import main
from deepsport.sources.doctor import diagnose
from deepsport.sources.doctor_page import diagnosis_page, diagnosis_text
from material import annotations, clips
from rallies import draw_rally, write_rally


def write(folder, name, value):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder


def found(diagnosis):
    return {finding.check: finding for finding in diagnosis.findings}


def row(clip, answer="A", question="What?", options=("x", "yy", "zzz"), **more):
    return {"id": clip, "question": question, "answer": answer, "difficulty level": "easy",
            "options": dict(zip("ABCDEF", options, strict=False)), **more}  # fmt: skip


def sportu(folder, rows):
    return write(folder, "SportU_Video_mc.json", rows)


def test_real_sportu_questions_have_the_defects_that_are_known_of_them():
    # counts by plain Python over the file: none of the above offered 379 times, right 251 times;
    # 37 different question texts over 3655 rows
    findings = found(diagnose("sportu", annotations("sportu"), media=False))
    leaks = findings["option text tells the answer"].examples
    assert "'none of the above' is right 251 of 379 times" in leaks[0]
    assert findings["few question texts"].count == 37
    assert findings["rejected: right option occurs twice"].count == 7
    assert "guessable without looking" in findings
    assert "answer position" in findings


def test_real_rallies_are_whole_and_have_one_keyframe():
    # ffprobe -skip_frame nokey: 15 of the 17 clips have one keyframe
    diagnosis = diagnose("finebadminton", clips("finebadminton"), jobs=2)
    findings = found(diagnosis)
    assert diagnosis.media == 17
    assert findings["one keyframe"].count == 15
    assert "media missing" not in findings
    assert diagnosis.worst() == "note"


def test_f3set_dives_without_a_frame_rate_are_noted():
    findings = found(diagnose("f3set", annotations("f3set"), media=False))
    assert findings["no frame rate"].count == 450  # jq '[.[]|select(.fps==-1)]|length'


def test_mvfoul_paths_with_backslashes_are_noted():
    findings = found(diagnose("mvfoul", annotations("mvfoul"), media=False))
    assert findings["Windows paths"].count == 5


def test_contradictions_repeats_and_double_options_are_found(tmp_path):
    sportu(tmp_path, [
        row("soccer_1"), row("soccer_1", "B"),
        row("soccer_2"), row("soccer_2"),
        row("soccer_3", "A", options=("x", "y", "Y")),
    ])  # fmt: skip
    findings = found(diagnose("sportu", tmp_path, media=False))
    assert findings["contradictory answers"].count == 1
    assert findings["contradictory answers"].level == "error"
    assert findings["question asked twice"].count == 1
    assert findings["option offered twice"].count == 1


def test_unknown_labels_are_told_by_their_slug(tmp_path):
    clip = {"video": "a/2016-01-01 - A 1 - 0 B/1_00_10.mp4", "comments_text_anonymized": "x"}
    rows = [{**clip, "caption": "corner"}, {**clip, "caption": "Streaker (naked)"}]
    write(tmp_path, "classification_train.json", rows)
    unknown = found(diagnose("soccerreplay", tmp_path, media=False))["rejected: unknown label"]
    assert "streaker naked" in unknown.examples[0]


def test_times_that_are_all_zero_and_rates_of_zero_are_found(tmp_path):
    events = [{"label": "a", "position_ms": 0, "frame": 5}, {"label": "b", "position_ms": 0}]
    video = {"type": "video", "path": "v.mp4", "fps": 0}
    write(tmp_path, "test.json", {"data": [{"id": "1", "inputs": [video], "events": events}]})
    findings = found(diagnose("osl", tmp_path, media=False))
    assert findings["all times zero"].level == "error"
    assert findings["no frame rate"].count == 1


def test_hostile_paths_and_torn_text_are_found(tmp_path):
    rows = [row("../../soccer_1"), row("C:\\clips\\soccer_2"), row("soccer_3", question="FuÃŸball?"),
            row("soccer_4", question="Qu\ufffd?")]  # fmt: skip
    findings = found(diagnose("sportu", sportu(tmp_path, rows), media=False))
    assert findings["paths that lead out"].count == 2
    assert findings["damaged text"].count >= 1


def test_one_answer_that_is_nearly_always_right_is_called_imbalance(tmp_path):
    rows = [row(f"soccer_{i}", "A" if i else "B", options=("No", "Yes")) for i in range(40)]
    findings = found(diagnose("sportu", sportu(tmp_path, rows), media=False))
    assert "'no' is the answer to 39 of 40" in findings["class imbalance"].examples[0]


def test_a_leak_between_published_splits_is_an_error(tmp_path):
    for split in ("train", "val"):
        value = [{"video": "basketball/v_a", "question": "Q?", "answer": "x", "type": "Causal"}]
        write(tmp_path, f"{split}.json", value)
    findings = found(diagnose("sportsqa", tmp_path, media=False))
    assert findings["published splits leak"].level == "error"


def test_unreadable_annotations_are_a_finding_and_no_crash(tmp_path):
    write(tmp_path, "SportU_Video_mc.json", "[" * 100_000)
    diagnosis = diagnose("sportu", tmp_path)
    assert diagnosis.worst() == "error"
    assert "nested too deeply" in found(diagnosis)["unreadable annotations"].examples[0]


@pytest.fixture(scope="module")
def media_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_rally(folder / "moved" / "soccer_1.mp4", draw_rally(1), gop=999)
    write_rally(folder / "soccer_2.mp4", draw_rally(1)[10:], size="96x54")
    (folder / "soccer_3.mp4").write_bytes(b"not a video")
    sportu(folder, [row(f"soccer_{i}") for i in (1, 2, 3, 4)])
    return folder


def test_missing_broken_moved_and_copied_media_are_told_apart(media_folder):
    findings = found(diagnose("sportu", media_folder, jobs=2))
    assert findings["media missing"].examples == ("soccer_4.mp4",)
    assert findings["media unreadable"].examples[0].startswith("soccer_3.mp4: NotAVideoError")
    assert findings["media found elsewhere"].examples == (
        "soccer_1.mp4 is at moved/soccer_1.mp4",)  # fmt: skip
    assert findings["one keyframe"].count == 1
    assert findings["near-duplicate media"].examples == ("moved/soccer_1.mp4 ~ soccer_2.mp4",)


def test_a_clip_shorter_than_its_annotation_is_found(tmp_path):
    write_rally(tmp_path / "m_1_149.mp4", draw_rally(1))  # 150 frames
    event = {"frame": 265, "label": "near_ad_serve_-_-_T_-_winner"}
    write(tmp_path, "train.json", [
        {"video": "m_1_149", "fps": 25.0, "num_frames": 266, "events": [event]}
    ])  # fmt: skip
    findings = found(diagnose("f3set", tmp_path))
    beyond = findings["frames beyond the video"]
    assert beyond.level == "error"
    assert "needs frame 265, the video has 150" in beyond.examples[0]
    assert "clip shorter than its annotation" in findings


def test_a_frame_rate_that_differs_from_the_file_is_found(tmp_path):
    write_rally(tmp_path / "m_1_149.mp4", draw_rally(1), fps=30.0)
    event = {"frame": 20, "label": "near_ad_serve_-_-_T_-_winner"}
    write(tmp_path, "train.json", [
        {"video": "m_1_149", "fps": -1, "num_frames": 150, "events": [event]}
    ])  # fmt: skip
    drift = found(diagnose("f3set", tmp_path))["frame rate differs"]
    assert "25 frames a second assumed, really 30.000" in drift.examples[0]


def test_strict_fails_a_pipeline_and_json_is_for_machines(media_folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    arguments = ["data", "doctor", str(media_folder), "--source", "sportu", "--json"]
    assert main([*arguments, "--page", str(page)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["worst"] == "error"
    assert record["schema"] == "deepsport.diagnosis/1"
    assert main([*arguments, "--strict"]) == 1
    assert "media missing" in page.read_text(encoding="utf-8")


def test_strict_passes_a_clean_folder(tmp_path, capsys):
    rows = [row(f"soccer_{i}", "ABC"[i % 3]) for i in range(9)]
    sportu(tmp_path, rows)
    for i in range(9):
        write_rally(tmp_path / f"soccer_{i}.mp4", draw_rally(i, court=i, seconds=2.0), gop=10)
    assert main(["data", "doctor", str(tmp_path), "--source", "sportu", "--strict"]) == 0
    capsys.readouterr()


def test_the_page_is_whole_and_escapes_the_data(tmp_path):
    sportu(tmp_path, [row("soccer_1", question="<script>alert(1)</script>"),
                      row("soccer_1", "B", question="<script>alert(1)</script>")])  # fmt: skip
    diagnosis = diagnose("sportu", tmp_path, media=False)
    page = diagnosis_page(diagnosis)

    class Check(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open_tags = []

        def handle_starttag(self, tag, attributes):
            assert tag != "script"
            if tag != "meta":
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    check = Check()
    check.feed(page)
    assert check.open_tags == []
    assert "contradictory answers" in page
    assert "contradictory answers" in diagnosis_text(diagnosis)
