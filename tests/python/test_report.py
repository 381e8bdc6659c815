"""The page opens offline without a console error, and its filters, keys and frames work."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
from pathlib import Path

import pytest

import clips
from deepsport.cli.main import main
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.evaluate import Run, evaluate
from deepsport.evaluate.rescore import rescore
from deepsport.evaluate.scripted import scripted_policy
from deepsport.report import PUBLISHED, build
from deepsport.report.curves import line_chart, nice_ticks, read_curve_file
from deepsport.rollout import ScriptedPolicy
from deepsport.task import Kind, Media, Span, Task, Truth, write_tasks
from deepsport.tool import FrameSource, ToolSettings

SMALL = ToolSettings(max_width=64, max_height=64)
HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
)


def make_tasks(clip, count=12):
    sports = ("badminton", "diving", "soccer")
    out = []
    for i in range(count):
        shared = {
            "media": (Media(clip),),
            "evidence": (Span(0.8, 1.2, "smash"),),
            "group": f"match{i // 2}",
            "sport": sports[i % 3],
        }
        if i % 2:
            task = Task(
                f"q{i:02}",
                Kind.NUMBER,
                f"How many hits in rally {i}?",
                Truth(value=float(i % 5)),
                **shared,
            )
        else:
            task = Task(
                f"q{i:02}",
                Kind.CHOICE,
                f"Which shot ends rally {i}? {HOSTILE}",
                Truth(labels=("B",)),
                options=("Clear", "Net <b>shot</b>"),
                **shared,
            )
        out.append(task)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    clip = clips.make_clip("h264-b-pyramid", folder / ".")
    tasks = make_tasks(clip.name)
    source = FrameSource(folder)
    for name in ("first", "look", "truth"):
        evaluate(tasks, scripted_policy(name), folder / name, source, SMALL, name=name)
    evaluate(tasks, scripted_policy("truth"), folder / "blind", source, SMALL, control="no-frames")
    curve = [
        {
            "schema": "deepsport.curve/1",
            "step": s,
            "loss": 2 / s,
            "reward_accuracy": s / 60,
            "calls": 1.0,
        }
        for s in range(1, 40)
    ]
    text = "".join(json.dumps(record) + "\n" for record in curve)
    (folder / "curve.jsonl").write_text(text + '{"step": 40, "lo')
    return folder


@pytest.fixture(scope="module")
def page(runs):
    report = build(
        [runs / "first", runs / "look", runs / "truth", runs / "blind"],
        runs / "page.html",
        curves={"RL": runs / "curve.jsonl"},
    )
    assert (report.questions, report.missing_pictures, report.folder) == (12, 0, None)
    return report.path


def test_the_page_needs_nothing_from_outside(page):
    text = page.read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text)
    assert "@import" not in text


def test_the_page_says_the_scores_with_their_intervals(page):
    text = page.read_text()
    assert "at chance" in text  # `first` is right by accident only
    assert "control: no-frames" in text
    assert text.count("<tr>") > 8
    assert "window on the event" in text
    assert "reward" in text.lower()


def test_text_of_a_model_or_data_set_cannot_leave_its_place(page):
    assert "</script><script>document" not in page.read_text()


def test_many_frames_lie_beside_the_page(runs):
    report = build([runs / "look"], runs / "big.html", inline_pictures=3)
    assert report.folder == runs / "big_files"
    assert report.pictures == len(list(report.folder.rglob("*.jpg"))) > 3
    assert "data:image/jpeg" not in report.path.read_text()
    again = build([runs / "look"], runs / "big.html")  # all in the page this time
    assert again.folder is None
    assert not (runs / "big_files").exists()


def test_details_of_many_questions_lie_beside_the_page(runs, monkeypatch):
    monkeypatch.setattr("deepsport.report.page.INLINE_DETAILS", 10)
    report = build([runs / "look"], runs / "chunks.html")
    assert (report.folder / "questions-0.js").read_text().startswith("deepsportChunk(0,[")


def test_a_score_below_a_blind_guess_is_not_called_chance(runs, tmp_path):
    wrong = ScriptedPolicy("w", lambda episode: "<think></think><answer>nothing</answer>")
    tasks = [
        t
        for t in make_tasks(clips.make_clip("h264-b-pyramid", runs).name, 60)
        if t.kind is Kind.CHOICE
    ]
    evaluate(tasks, wrong, tmp_path / "wrong", FrameSource(runs), SMALL, control="no-frames")
    text = build([tmp_path / "wrong"], tmp_path / "page.html").path.read_text()
    assert "Below chance" in text  # 0 of 30 in 30 matches, of two options each
    assert "At chance" not in text


def test_a_run_that_was_killed_is_reported_with_what_it_has(runs, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(runs / "look", folder)
    (folder / "scores.json").unlink()
    lines = (folder / "attempts.jsonl").read_text().splitlines(keepends=True)
    (folder / "attempts.jsonl").write_text("".join(lines[:5]))
    report = build([folder], tmp_path / "page.html")
    assert "is not finished: 5 of 12 questions were played" in report.path.read_text()


def test_frames_whose_video_is_gone_are_counted_and_the_page_is_made(runs, tmp_path):
    report = build([runs / "look"], tmp_path / "page.html", media_root=tmp_path)
    assert report.pictures == 0
    assert report.missing_pictures > 0
    assert report.path.exists()


def test_a_page_of_curves_alone_is_made(runs, tmp_path):
    report = build([], tmp_path / "curves.html", curves={"SFT": runs / "curve.jsonl"})
    assert report.questions == 0
    assert "<path" in report.path.read_text()


def test_nothing_to_report_and_what_is_no_run_are_named(tmp_path):
    with pytest.raises(SettingsError, match="one or more runs, curves or settings"):
        build([], tmp_path / "page.html")
    with pytest.raises(RecordFormatError, match=r"no run\.json"):
        build([tmp_path], tmp_path / "page.html")


def test_the_command_writes_the_page(runs, tmp_path, capsys):
    out = tmp_path / "page.html"
    curve = f"RL={runs / 'curve.jsonl'}"
    assert main(["report", str(runs / "look"), "--out", str(out), "--curve", curve]) == 0
    assert "12 questions" in capsys.readouterr().out
    assert main(["report", str(runs / "look"), "--curve", "x=nowhere.jsonl"]) == 1
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_a_half_written_curve_line_is_left_out_and_a_wrong_one_is_named(runs, tmp_path):
    assert len(read_curve_file(runs / "curve.jsonl")) == 39
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"loss": 1}\n{"step": 2}\n')
    with pytest.raises(RecordFormatError, match="line 1"):
        read_curve_file(bad)


def test_ticks_are_round_and_span_the_values():
    for low, high in [(0, 1), (-0.3, 0.7), (12, 1234), (1e-6, 1e-5), (5, 5)]:
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low
        assert ticks[-1] >= high
        assert 2 <= len(ticks) <= 8


def test_a_chart_of_one_point_is_drawn():
    assert "<circle" in line_chart({"loss": [(1.0, 2.0)]}, "Loss")


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium or chromedriver is not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1300,900", "--force-prefers-reduced-motion", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield found
    found.quit()


class Page:
    """What a reader does with the page."""

    def __init__(self, driver, path, anchor=""):
        self.driver = driver
        driver.get("about:blank")
        driver.get(path.as_uri() + anchor)

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def one(self, css):
        return self.driver.find_element("css selector", css)

    def text(self, css):
        return self.one(css).text

    def choose(self, css, value):
        from selenium.webdriver.support.ui import Select

        Select(self.one(css)).select_by_value(value)

    def press(self, keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(keys).perform()

    def wait(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.03)
        return False

    def errors(self):
        return [e for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]


@pytest.mark.browser
def test_the_page_opens_without_console_errors(browser, page):
    view = Page(browser, page)
    assert browser.title == "Evaluation report"  # and not "taken"
    assert len(view.all("#rows .item")) == 12
    assert view.errors() == []


@pytest.mark.browser
def test_filters_and_search_narrow_the_list(browser, page):
    view = Page(browser, page)
    view.choose("#f-sport", "diving")
    assert view.text("#count") == "4 of 12"
    view.choose("#f-kind", "number")
    assert view.text("#count") == "2 of 12"
    view.one("#clear").click()
    assert view.text("#count") == "12 questions"
    view.choose("#f-run", "2")
    view.choose("#f-result", "wrong")
    assert view.text("#count") == "0 of 12"  # the third run knows everything
    assert "No question matches" in view.text("#detail")
    view.choose("#f-result", "right")
    assert view.text("#count") == "12 questions"
    view.one("#clear").click()
    view.one("#search").send_keys("rally 11")
    assert view.wait(lambda: view.text("#count") == "1 of 12")
    assert "rally 11" in view.text("#detail h3")
    view.one("#clear").click()
    view.choose("#f-look", "hit")
    assert view.text("#count") == "12 questions"
    view.choose("#f-run", "0")
    assert view.text("#count") == "0 of 12"
    assert view.errors() == []


@pytest.mark.browser
def test_a_question_shows_its_frames_windows_and_verdict(browser, page):
    view = Page(browser, page, "#q=q03")
    assert "rally 3" in view.text("#detail h3")
    assert "Right answer: 3" in view.text("#detail")
    assert len(view.all(".frame img")) == 16  # 8 first ones, 8 of the call
    assert view.wait(
        lambda: browser.execute_script(
            "return [...document.querySelectorAll('.frame img')].slice(0, 8)"
            ".every((i) => i.complete && i.naturalWidth > 0)"
        )
    )
    numbers = [int(f.text.split()[0]) for f in view.all(".turn .frame")]
    assert numbers[:8] == sorted(numbers[:8])
    assert numbers[8:] == sorted(numbers[8:])
    assert len(view.all(".timeline .win")) == 1
    assert len(view.all(".timeline .ev")) == 1
    seconds = [float(f.text.split()[1]) for f in view.all(".frame")]
    inside = ["in" in f.get_attribute("class").split() for f in view.all(".frame")]
    assert inside == [0.8 <= s < 1.2 for s in seconds]
    assert sum(inside) > 1
    assert "rule: number" in view.text(".verdict")
    assert "right" in view.text(".verdict b")


@pytest.mark.browser
def test_keys_walk_through_questions_and_runs(browser, page):
    view = Page(browser, page)
    first = view.text("#detail h3")
    view.press("j")
    second = view.text("#detail h3")
    assert second != first
    view.press("k")
    assert view.text("#detail h3") == first
    selected = ".runtabs [aria-selected=true]"
    assert "truth" in view.text(selected)  # the run the page is about, not the control after it
    view.press("]")
    assert "no-frames" in view.text(selected)
    view.press("[")
    view.press("[")
    assert "look" in view.text(selected)
    view.press("/")
    assert browser.switch_to.active_element.get_attribute("id") == "search"
    assert view.errors() == []


@pytest.mark.browser
def test_questions_that_got_worse_come_first(browser, page):
    view = Page(browser, page)
    changes = [item.text.split("\n")[-2:] for item in view.all("#rows .item")]
    worse = ["lost" in " ".join(c) for c in changes]
    better = ["gained" in " ".join(c) for c in changes]
    assert not any(worse)  # the run that knows loses nothing
    assert better == sorted(better, reverse=True)
    assert any(better)


@pytest.mark.browser
def test_both_themes_have_readable_contrast(browser, page):
    view = Page(browser, page)
    themes = {browser.execute_script("return document.documentElement.dataset.theme")}
    backgrounds = []
    for _ in range(2):
        backgrounds.append(
            browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
        for name in ("ink", "muted", "good", "bad", "accent", "warn", "event-ink"):
            ratio = browser.execute_script(CONTRAST, f"--{name}", "--panel")
            assert ratio >= 4.5, (name, ratio)
        view.one("#theme").click()
        themes.add(browser.execute_script("return document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}
    assert len(set(backgrounds)) == 2


CONTRAST = """
const style = getComputedStyle(document.documentElement);
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const light = (name) => {
  canvas.fillStyle = style.getPropertyValue(name).trim();
  canvas.fillRect(0, 0, 1, 1);
  const part = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => {
    v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const [a, b] = [light(arguments[0]), light(arguments[1])];
return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
"""


@pytest.mark.browser
def test_details_and_frames_beside_the_page_are_loaded_when_wanted(browser, runs, monkeypatch):
    monkeypatch.setattr("deepsport.report.page.INLINE_DETAILS", 10)
    monkeypatch.setattr("deepsport.report.page.QUESTIONS_A_CHUNK", 5)
    report = build([runs / "look"], runs / "lazy.html", inline_pictures=3)
    view = Page(browser, report.path, "#q=q11")
    assert view.wait(lambda: "rally 11" in view.text("#detail h3"))
    assert view.wait(
        lambda: browser.execute_script(
            "const i = document.querySelector('.frame img'); return i.complete && i.naturalWidth > 0"
        )
    )
    loaded = browser.execute_script(
        "return [...document.querySelectorAll('head script')].map((s) => s.src.split('/').pop())"
    )
    assert "questions-2.js" in loaded
    assert view.errors() == []


@pytest.mark.browser
def test_the_page_fits_a_phone(browser, page):
    view = Page(browser, page)
    browser.set_window_size(420, 900)
    try:
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return document.documentElement.clientWidth")
    finally:
        browser.set_window_size(1300, 900)
    assert view.errors() == []


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_has_no_accessibility_violations(browser, page, theme):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    view = Page(browser, page, "#q=q03")
    assert view.wait(lambda: len(view.all(".frame")) == 16)
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
    )
    broken = [
        (v["id"], v["help"], [node["html"][:200] for node in v["nodes"]])
        for v in found["violations"]
    ]
    assert broken == []


@pytest.mark.browser
def test_6700_questions_draw_a_screenful_and_filter_at_once(browser, runs, tmp_path):
    folder = enlarged(runs / "look", tmp_path / "large", 6700)
    report = build([folder], tmp_path / "large.html")
    view = Page(browser, report.path)
    assert view.text("#count") == "6700 questions"
    assert len(view.all("#rows .item")) < 60
    view.choose("#f-sport", "diving")
    assert view.text("#count") == "2233 of 6700"
    browser.execute_script("document.getElementById('list').scrollTop = 1e6")
    # in one script: the list is drawn anew while it scrolls
    assert view.wait(
        lambda: (
            "Question 6697?"
            in browser.execute_script("return document.getElementById('rows').textContent")
        )
    )
    assert view.errors() == []


def enlarged(run, folder, count):
    """A run with as many questions, made of the attempts of a small one."""
    source = Run(run)
    tasks, attempts = list(source.tasks.values()), source.latest()
    more, lines = [], []
    for i in range(count):
        task = tasks[i % len(tasks)]
        new = dataclasses.replace(task, task_id=f"big{i}", question=f"Question {i}?")
        record = attempts[task.task_id, 0].to_json()
        record["trajectory"] |= {"task_id": new.task_id, "task_hash": new.content_hash}
        more.append(new)
        lines.append(json.dumps(record) + "\n")
    write_tasks(folder / "tasks.jsonl", more)
    (folder / "attempts.jsonl").write_text("".join(lines))
    shutil.copy(run / "run.json", folder)
    rescore(folder)
    return folder


def test_published_rows_are_marked_as_reported_by_others(runs, tmp_path):
    report = build([runs / "look"], tmp_path / "page.html", published=PUBLISHED)
    text = report.path.read_text()
    assert "Reported by others" in text
    assert "not comparable with the runs of this page" in text
    assert "40.1" in text  # DeepSport v1, overall
    assert "Reported by others" not in (runs / "page.html").read_text()


def test_a_citation_file_of_another_form_is_refused(runs, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text('{"schema": "deepsport.published/1", "rows": [{"name": "x"}]}')
    with pytest.raises(RecordFormatError, match="overall, source, scores"):
        build([runs / "look"], tmp_path / "page.html", published=bad)


def test_each_run_stands_against_its_own_control(page):
    text = page.read_text()
    section = text[text.index('id="controls"') : text.index('id="slices"')]
    assert section.count("<tr>") == 2  # the head, and the one control there is
    assert "no-frames" in section
    assert "truth</th>" in section


def test_the_page_says_what_a_question_costs(page):
    text = page.read_text()
    table = text[text.index('class="costs"') :]
    assert "Decoding s" in table
    assert "Wall s" in table
    assert "Prompt tokens" not in table  # no run of this page counts them


def test_the_page_shows_cost_and_confusion(page):
    text = page.read_text()
    assert "Score against frames shown" in text
    assert 'class="confusion"' not in text  # one right class only: nothing to confuse
