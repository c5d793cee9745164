"""The page of a recording in Chromium: it opens, zooms, goes to events, and can be read."""

from __future__ import annotations

import pytest

WIDTHS = (360, 1280)

CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).colorScheme.includes("dark")
      && matchMedia("(prefers-color-scheme: dark)").matches ? "#000" : "#fff");
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, script, .skip")) continue;
    const two = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
    const size = parseFloat(getComputedStyle(element).fontSize);
    if (ratio < 4.5) poor.push(`${element.tagName} ${element.id}: contrast ${ratio.toFixed(2)}`);
    if (size < 12) poor.push(`${element.tagName} ${element.id}: ${size} px`);
  }
  return poor;
}"""


@pytest.fixture
def opened(show, recording_page):
    """The page, drawn, with all of the recording in view."""

    def open_(**options):
        page = show(recording_page, **options)
        page.wait_for_selector("#timeline[data-drawn]")
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.focus("#timeline")
        page.keyboard.press("Escape")
        assert view(page) == (0, 120)
        return page

    return open_


def view(page) -> tuple[float, float]:
    """Seconds between which the page shows the recording, once it has drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    shown = page.evaluate("({ ...document.getElementById('timeline').dataset })")
    return float(shown["start"]), float(shown["stop"])


def at_second(page, second: float) -> tuple[float, float]:
    """Where a second of the first view stands on the screen, on the row of events."""
    plot = page.locator("#timeline-curves .u-over").bounding_box()
    strip = page.locator("#timeline-strips").bounding_box()
    return plot["x"] + second / 120 * plot["width"], strip["y"] + 31


def test_the_page_shows_the_whole_recording_first(opened):
    page = opened()
    said = "Shown: 2024-03-04 23:59:10 to 2024-03-05 00:01:10 (2 min, all of it), 2 decided events."
    page.locator("#timeline-view", has_text=said).wait_for()
    assert not page.is_visible("#overview")


def test_the_wheel_zooms_at_the_pointer(opened):
    page = opened()
    x, y = at_second(page, 30)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    start, stop = view(page)
    assert stop - start == pytest.approx(120 / 1.25)
    assert (30 - start) / (stop - start) == pytest.approx(0.25, abs=0.01)  # it stays where it was
    page.mouse.wheel(0, 100)
    assert view(page) == pytest.approx((0, 120))


def test_keys_zoom_and_move(opened):
    page = opened()
    for key, shown in (
        ("+", (30, 90)), ("ArrowRight", (42, 102)), ("ArrowLeft", (30, 90)), ("Home", (0, 60)),
        ("End", (60, 120)), ("-", (0, 120)), ("+", (30, 90)), ("Escape", (0, 120)),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert view(page) == pytest.approx(shown), key


def test_n_and_p_go_from_event_to_event(opened):
    page = opened()
    for key, onset in (("n", 8), ("n", 62), ("n", 62), ("p", 8)):
        page.keyboard.press(key)
        start, stop = view(page)
        assert start < onset < stop < start + 60
        row = page.locator("tr[aria-current=true]")
        assert row.locator("td").first.inner_text() == str(onset)


def test_r_and_the_table_of_reference_events_go_to_them(opened):
    page = opened()
    page.keyboard.press("r")
    start, stop = view(page)
    assert start < 10 < 19 < stop < start + 60
    row = page.locator("tr[aria-current=true]")
    assert row.get_attribute("id") == "reference-0"
    assert row.inner_text().split("\t")[1:] == ["10", "9", "x&y", "–"]
    page.keyboard.press("Escape")
    page.click("[data-reference='0']")
    assert view(page) == pytest.approx((start, stop))
    page.locator("#timeline-view", has_text="9 s, reference.").wait_for()


def test_a_click_in_the_table_goes_to_the_event(opened):
    page = opened()
    page.click("[data-event='1']")
    assert view(page) == pytest.approx((62 - 17, 62 + 2 * 17))
    said = "2024-03-05 00:00:12.0, 17 s"
    page.locator("#timeline-view", has_text=said).wait_for()
    assert page.evaluate("document.activeElement.id") == "timeline"


def test_a_click_on_an_event_in_the_strip_goes_there(opened):
    page = opened()
    page.mouse.click(*at_second(page, 70))
    assert view(page) == pytest.approx((62 - 17, 62 + 2 * 17))


def test_dragging_moves_and_with_shift_zooms_to_a_stretch(opened):
    page = opened()
    (left, y), (right, _) = at_second(page, 60), at_second(page, 90)
    page.keyboard.down("Shift")
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move(right, y, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert view(page) == pytest.approx((60, 90), abs=0.3)
    page.mouse.move(right, y)
    page.mouse.down()
    page.mouse.move(left, y, steps=3)
    page.mouse.up()
    assert view(page) == pytest.approx((67.5, 97.5), abs=0.3)  # a quarter of the width
    page.mouse.dblclick(right, page.locator("#timeline-curves").bounding_box()["y"] + 20)
    assert view(page) == (0, 120)


def test_a_curve_can_be_hidden(opened):
    page = opened()
    button = page.locator("#timeline-legend button").first
    assert button.get_attribute("aria-pressed") == "true"
    for pressed in ("false", "true"):
        button.click()
        assert button.get_attribute("aria-pressed") == pressed


def test_names_that_would_act_are_shown_as_text(opened):
    page = opened()
    text = page.inner_text("body")
    for shown in (
        "Müller $1 <night>.edf", "seizure</script><script>alert(1)</script>", "A note with <b>",
        "<script>alert(2)</script>", "$ä\\u2028\\u202e\"'&amp;", "x&y",
    ):  # fmt: skip
        assert shown in text
    assert page.locator("#timeline-legend button").all_inner_texts()[1].startswith("seizure</scr")
    assert page.locator("script").count() == 4  # data, the drawing library, ours


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read(opened, width, scheme):
    page = opened(width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRASTS) == []


def test_dark_and_light_pages_have_other_colours(opened):
    light, dark = (
        opened(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    )
    assert light == "rgb(255, 255, 255)"
    assert max(map(int, dark[4:-1].split(","))) < 64


def test_without_scripts_a_drawing_and_the_tables_remain(show, recording_page):
    page = show(recording_page, java_script_enabled=False)
    assert page.is_visible("#overview svg")
    assert not page.is_visible("#timeline")
    assert page.locator("#overview path.signal").count() == 4
    assert page.locator("#overview rect.box").count() == 3
    assert page.locator("#event-1").inner_text().split("\t")[1] == "62"


def test_on_paper_the_drawing_stands_for_the_timeline(opened):
    page = opened()
    try:
        page.emulate_media(media="print")
        assert page.is_visible("#overview svg")
        assert not page.is_visible("#timeline")
        table = "document.querySelector('.tall')"
        assert page.evaluate(f"{table}.scrollHeight <= {table}.clientHeight")  # no row is lost
        page.wait_for_timeout(100)  # for what a change of width sets off, which says nothing
    finally:
        page.emulate_media(media="screen")
    assert page.is_visible("#timeline")


SOLID = """() => {  // columns of dots that are drawn near the upper end of the signals
  const canvas = document.querySelector("#timeline-signals canvas");
  const [top, height] = [12, 4];
  const { data } = canvas.getContext("2d").getImageData(0, top, canvas.width, height);
  return [...Array(canvas.width).keys()].filter((x) => [...Array(height).keys()]
    .every((y) => data[4 * (y * canvas.width + x) + 3] > 128));
}"""


def test_a_spike_of_one_sample_is_drawn(opened):
    page = opened()
    plot = page.locator("#timeline-signals .u-over").bounding_box()
    left = page.locator("#timeline-signals canvas").bounding_box()["x"]
    spike = plot["x"] - left + 12_345 / 128 / 120 * plot["width"]
    assert min(abs(column - spike) for column in page.evaluate(SOLID)) <= 1.5
