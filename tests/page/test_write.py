"""Writing in a real browser: the keyboard, the stream, other words, the tree, two sheets."""

from __future__ import annotations

import json
import re

import pytest

from tests.page.conftest import PHONE

BEGINNING = "One day a fox"


def is_idle(page):
    page.wait_for_function("() => document.getElementById('tell').textContent !== 'Stop'")


def set_slider(page, name, value):
    page.locator(f"#set-{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )


def story(page, sheet=0):
    return page.locator(".story").nth(sheet).text_content()


def tell(page, beginning=BEGINNING, *, tokens=20, temperature=0.0):
    set_slider(page, "max_tokens", tokens)
    set_slider(page, "temperature", temperature)
    page.fill("#beginning", beginning)
    page.click("#tell")
    is_idle(page)


def test_a_story_is_told_and_goes_on(open_page):
    page = open_page()
    tell(page)

    first = story(page)
    assert first.startswith(BEGINNING)
    assert page.locator(".token.by-you").count() == 6  # O, n, e and three words
    assert page.locator(".token.by-model").count() == 20
    page.click("#tell")
    is_idle(page)
    assert story(page).startswith(first)
    assert page.locator(".token.by-model").count() == 40
    page.click("#undo")
    assert story(page) == first
    page.click("#undo")
    assert story(page) == BEGINNING
    assert page.locator("#undo").is_disabled()


def test_a_space_at_the_end_belongs_to_the_next_word(open_page):
    page = open_page()
    tell(page, "One day a ")

    first = story(page)
    assert re.match(r"One day a \w", first)
    assert page.locator(".token.by-you").count() == 5  # O, n, e, day and a
    assert page.locator(".token.by-model").count() == 20
    assert page.locator("#branches-part").is_hidden()
    page.click("#tell")
    is_idle(page)
    assert story(page).startswith(first)
    page.click("#undo")
    assert story(page) == first
    page.click("#undo")
    assert story(page) == "One day a "
    assert page.locator(".token.by-you").count() == 6
    page.fill(".more", "fo")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.token.by-you').length > 6")
    page.click("#tell")
    is_idle(page)
    assert story(page).startswith("One day a fox")
    page.locator(".token.by-model").nth(2).click()
    page.locator(".card .candidate:not(.here)").first.click()
    is_idle(page)
    assert story(page).startswith("One day a fox")


def test_the_stream_is_seen_and_stopped(open_page, slow_address):
    page = open_page(url=slow_address)
    set_slider(page, "max_tokens", 400)
    page.fill("#beginning", BEGINNING)
    page.click("#tell")
    page.wait_for_function("() => document.querySelectorAll('.token.by-model').length > 3")
    assert page.locator("#tell").text_content() == "Stop"
    assert page.locator(".sheet").get_attribute("aria-busy") == "true"
    page.keyboard.press("Escape")
    is_idle(page)

    told = story(page)
    assert page.locator(".token.by-model").count() < 400
    page.wait_for_timeout(150)
    assert story(page) == told
    assert page.locator("#teller").text_content() == "Stopped."


def test_a_new_story_while_one_is_told(open_page, slow_address):
    page = open_page(url=slow_address)
    set_slider(page, "max_tokens", 400)
    page.click("#tell")
    page.wait_for_function("() => document.querySelectorAll('.token.by-model').length > 3")
    page.click("#fresh")
    is_idle(page)
    assert page.locator(".token").count() == 0
    assert page.locator("#undo").is_disabled()
    tell(page, tokens=10)
    assert page.locator(".token.by-model").count() == 10


def test_all_by_keyboard(open_page):
    page = open_page()
    set_slider(page, "max_tokens", 10)
    set_slider(page, "temperature", 0)
    page.focus("#beginning")
    page.keyboard.type(BEGINNING)
    page.keyboard.press("Control+Enter")
    is_idle(page)
    told = story(page)

    page.keyboard.press("Escape")
    page.focus(".sheet select")
    page.keyboard.press("Tab")  # to the words, which are one stop
    assert page.evaluate("document.activeElement.textContent") == "O"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    at = page.evaluate("document.activeElement.textContent")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "button"
    assert "%" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card:not([hidden])")
    page.keyboard.press("ArrowDown")
    other = page.evaluate("document.activeElement.querySelector('.word').textContent")
    assert other.strip() != at.strip()
    page.keyboard.press("Escape")
    assert page.locator(".card").is_hidden()
    assert page.evaluate("document.activeElement.textContent") == at  # the focus has come back
    page.keyboard.press("Enter")
    page.wait_for_selector(".card:not([hidden])")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    is_idle(page)
    assert story(page) != told
    assert page.locator("#branches .stretch").count() == 3  # the stem and two ways on
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert story(page) == told


BEFORE = """
(word) => {
  const range = document.createRange();
  range.setStart(word.parentElement, 0);
  range.setEndBefore(word);
  return range.toString();
}
"""


def test_another_word_branches_the_story(open_page):
    page = open_page()
    tell(page, tokens=12)
    told = story(page)
    words = page.locator(".token")
    place = 10
    kept = words.nth(place).evaluate(BEFORE)
    words.nth(place).hover()
    page.wait_for_selector(".card:not([hidden])")
    chosen = page.locator(".card .candidate:not(.here)").first
    word = chosen.locator(".word").text_content()
    chosen.click()
    is_idle(page)

    branched = story(page)
    assert branched.startswith(kept)
    assert branched != told
    assert words.nth(place).text_content().strip() == word
    assert "by-you" in words.nth(place).get_attribute("class")
    stretches = page.locator("#branches .stretch")
    assert stretches.count() == 3
    page.locator("#branches .stretch:not(.on)").click()
    assert story(page) == told
    page.click("#undo")
    assert story(page) == branched


def test_equal_seeds_give_equal_stories(open_page):
    page = open_page()
    page.fill("#set-seed", "5")
    tell(page, temperature=1.0)
    first = story(page)
    page.click("#fresh")
    assert page.locator("#beginning").input_value() == BEGINNING
    tell(page, temperature=1.0)
    assert story(page) == first
    page.click("#fresh")
    page.fill("#set-seed", "6")
    tell(page, temperature=1.0)
    assert story(page) != first


def test_the_sliders_act_on_what_comes_next(open_page, models):
    page = open_page()
    summary = page.locator("#next-summary")
    kept = "document.querySelectorAll('#next .candidate:not(.dropped)').length"
    page.wait_for_function(f"() => {kept} === 12")
    set_slider(page, "top_k", 2)  # the third of its steps: 3
    page.wait_for_function(f"() => {kept} === 3")
    size = models["first"].tokenizer.vocab_size
    assert summary.text_content().startswith(f"3 of {size} tokens can come")
    set_slider(page, "temperature", 0)
    page.wait_for_function(f"() => {kept} === 1")
    assert "100 %" in page.locator("#next .candidate").first.text_content()
    assert page.locator("#set-temperature").get_attribute("aria-valuetext").startswith("0: always")
    page.reload()
    page.wait_for_function(f"() => {kept} === 1")  # they are remembered


def test_word_by_word(open_page):
    page = open_page()
    tell(page, tokens=10)
    before = story(page)
    page.wait_for_selector("#next[aria-busy=false]")
    candidate = page.locator("#next .candidate").nth(1)
    word = candidate.locator(".word").text_content()
    candidate.click()

    page.wait_for_function(
        "before => document.querySelector('.story').textContent !== before", arg=before
    )
    assert story(page).endswith(word)
    page.locator(".more").fill("the moon")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.story').textContent.endsWith(' the moon')"
    )
    assert page.locator(".token").last.get_attribute("class").startswith("token by-you")


def test_two_models_side_by_side(open_page):
    page = open_page()
    tell(page)
    page.click("#compare")
    page.wait_for_function(
        "text => document.querySelectorAll('.story')[1].textContent === text", arg=BEGINNING
    )
    assert page.locator("#compare").get_attribute("aria-pressed") == "true"
    assert page.locator(".sheet select").nth(1).input_value() == "second"
    page.click("#tell")
    is_idle(page)
    left, right = story(page, 0), story(page, 1)
    assert left.startswith(BEGINNING)
    assert right.startswith(BEGINNING)
    assert left[: len(right)] != right
    page.check("input[name=which][value='0']")
    set_slider(page, "temperature", 1.5)
    captions = page.locator(".sheet .caption")
    assert "temperature 1.5" in captions.nth(0).text_content()
    assert "temperature 0," in captions.nth(1).text_content()
    page.click("#compare")
    assert page.locator(".sheet").count() == 1
    assert story(page) == left


def test_colours(open_page):
    page = open_page()
    tell(page, temperature=1.0)
    assert page.locator(".token.h1, .token.h2, .token.h3").count() == 0
    for kind in ("probability", "surprise"):
        page.check(f"input[name=colour][value={kind}]")
        assert page.locator(".legend .swatch").count() == 6
        steps = {
            name
            for names in page.locator(".token.by-model").evaluate_all(
                "tokens => tokens.map((token) => [...token.classList])"
            )
            for name in names
            if name.startswith("h")
        }
        assert len(steps) >= 3
    page.check("input[name=colour][value=none]")
    assert page.locator(".legend").is_hidden()


def test_copied_and_saved(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    tell(page)
    page.click("#copy")
    page.wait_for_function("() => document.getElementById('copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == story(page)
    with page.expect_download() as caught:
        page.click("#save")
    assert caught.value.suggested_filename.startswith("One-day-a-fox")
    assert caught.value.path().read_text("utf-8") == f"{story(page)}\n"


def test_those_who_listen_hear_sentences(open_page):
    page = open_page()
    fulfil(page, [" the fox slept", ".", " then", " it", " was home", "!"], "stop")
    page.fill("#beginning", BEGINNING)
    page.click("#tell")
    is_idle(page)

    lines = page.locator("#announcer p").all_text_contents()
    assert lines == ["the fox slept.", "then it was home!"]
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    assert page.locator("#teller").text_content() == "The story has ended."
    assert page.locator(".end").is_visible()


def fulfil(page, pieces, reason):
    """Let the server tell exactly these pieces."""
    choices = [
        {"text": piece, "logprobs": {"token_ids": [256 + n], "token_logprobs": [-0.5]}}
        for n, piece in enumerate(pieces)
    ]
    choices.append({"text": "", "finish_reason": reason})
    events = [json.dumps({"choices": [choice]}) for choice in choices]
    body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
    page.route(
        "**/v1/completions",
        lambda route: route.fulfill(body=body, content_type="text/event-stream"),
    )


def test_a_refusal_is_told_in_words(open_page):
    page = open_page(expect=("429",))
    answer = json.dumps({"error": {"message": "all slots are taken", "type": "rate_limit_error"}})
    page.route("**/v1/completions", lambda route: route.fulfill(status=429, body=answer))
    page.click("#tell")
    page.wait_for_selector("#notice:not([hidden])")
    assert page.locator("#notice").text_content() == "All slots are taken."
    assert page.locator("#notice").get_attribute("role") == "alert"
    with page.expect_response("**/insight/next"):  # goes well, and is not what was refused
        set_slider(page, "temperature", 0.3)
    page.wait_for_selector("#next[aria-busy=false]")
    assert page.locator("#notice").is_visible()
    page.unroute("**/v1/completions")
    page.click("#tell")
    is_idle(page)
    assert page.locator("#notice").is_hidden()


ANSWER_THE_DIALOG = """
addEventListener("DOMContentLoaded", () => setInterval(() => {
  const dialog = document.getElementById("key-dialog");
  if (!dialog.open) return;
  document.getElementById("key").value = "open sesame";
  dialog.querySelector("button").click();
}, 50))
"""


def test_a_server_with_a_key(open_page, locked_address):
    page = open_page(
        url=locked_address,
        expect=("401",),
        before=lambda page: page.add_init_script(ANSWER_THE_DIALOG),
    )
    tell(page)
    assert page.locator(".token.by-model").count() == 20
    assert page.evaluate("sessionStorage.getItem('slm.key')") == "open sesame"


def test_on_a_phone(open_page):
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    assert overflow(page) <= 0
    tell(page)
    assert overflow(page) <= 0
    page.locator(".token").nth(8).tap()
    page.wait_for_selector(".card:not([hidden])")
    box = page.locator(".card").bounding_box()
    assert box["x"] == 0
    assert box["width"] == PHONE["width"]
    assert box["y"] + box["height"] == pytest.approx(PHONE["height"], abs=2)
    page.locator(".card .candidate:not(.here)").first.tap()
    is_idle(page)
    page.locator("#compare").tap()
    assert overflow(page) <= 0


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
