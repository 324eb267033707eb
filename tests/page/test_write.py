"""The Write view in a real browser: keyboard, streaming, alternatives, the tree, two panes."""

from __future__ import annotations

import json
import re

import pytest

from tests.page.conftest import DESKTOP, PHONE

PROMPT = "One day a fox"


def is_idle(page):
    page.wait_for_function("() => document.getElementById('generate').textContent !== 'Stop'")


def set_slider(page, name, value):
    page.locator(f"#set-{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )


def story(page, pane=0):
    return page.locator(".story").nth(pane).text_content()


def generate(page, prompt=PROMPT, *, tokens=20, temperature=0.0):
    set_slider(page, "max_tokens", tokens)
    set_slider(page, "temperature", temperature)
    page.fill("#prompt", prompt)
    page.click("#generate")
    is_idle(page)


def test_a_story_is_generated_and_continued(open_page):
    page = open_page()
    generate(page)

    first = story(page)
    assert first.startswith(PROMPT)
    assert page.locator(".token.by-user").count() == 6  # O, n, e and three words
    assert page.locator(".token.by-model").count() == 20
    page.click("#generate")
    is_idle(page)
    assert story(page).startswith(first)
    assert page.locator(".token.by-model").count() == 40
    page.click("#undo")
    assert story(page) == first
    page.click("#undo")
    assert story(page) == PROMPT
    assert page.locator("#undo").is_disabled()


def test_the_end_of_a_long_story_is_not_sent_as_a_beginning(open_page):
    page = open_page()
    asked = []
    page.on(
        "request",
        lambda sent: asked.append(sent.post_data_json) if "/v1/completions" in sent.url else None,
    )
    generate(page, tokens=130)  # the context has 128
    page.click("#generate")
    is_idle(page)
    assert [body["add_special_tokens"] for body in asked] == [True, False]
    assert len(asked[1]["prompt"]) == 63


def test_a_space_at_the_end_belongs_to_the_next_word(open_page):
    page = open_page()
    generate(page, "One day a ")

    first = story(page)
    assert re.match(r"One day a \w", first)
    assert page.locator(".token.by-user").count() == 5  # O, n, e, day and a
    assert page.locator(".token.by-model").count() == 20
    assert page.locator("#branches .segment").count() <= 1
    page.click("#generate")
    is_idle(page)
    assert story(page).startswith(first)
    page.click("#undo")
    assert story(page) == first
    page.click("#undo")
    assert story(page) == "One day a "
    assert page.locator(".token.by-user").count() == 6


def test_a_typed_word_is_completed_and_a_chosen_token_is_not(open_page):
    page = open_page()
    generate(page, "One day a fo")

    assert story(page).startswith("One day a fox")
    assert page.locator(".token.by-user").count() == 5  # not the letters of the last word
    first = page.locator(".token.by-model").first
    assert first.text_content() == "fox"
    page.locator(".token.by-model").nth(2).click()
    page.wait_for_selector(".card:not([hidden])")
    chosen = page.locator(".card .candidate:not(.current)").first
    text = chosen.locator(".candidate-text").text_content()
    chosen.click()
    is_idle(page)
    assert page.locator(".token").nth(7).text_content().strip() == text.strip("· ")


def test_a_story_that_is_stopped_before_it_starts_is_not_generated(open_page):
    page = open_page()
    held = []
    page.route("**/insight/tokens", lambda route: held.append(route))
    page.fill("#prompt", PROMPT)
    with page.expect_request("**/insight/tokens"):
        page.click("#generate")
    page.wait_for_function("() => document.getElementById('generate').textContent === 'Stop'")
    page.click("#generate")
    for route in held:
        route.continue_()
    page.unroute("**/insight/tokens")
    is_idle(page)
    assert story(page) == PROMPT
    assert page.locator(".token.by-model").count() == 0
    page.click("#generate")
    is_idle(page)
    assert page.locator(".token.by-model").count() > 0


def test_the_stream_is_shown_and_stopped(open_page, slow_address):
    page = open_page(url=slow_address)
    set_slider(page, "max_tokens", 400)
    page.fill("#prompt", PROMPT)
    page.click("#generate")
    page.wait_for_function("() => document.querySelectorAll('.token.by-model').length > 3")
    assert page.locator("#generate").text_content() == "Stop"
    assert page.locator(".pane").get_attribute("aria-busy") == "true"
    page.keyboard.press("Escape")
    is_idle(page)

    written = story(page)
    assert page.locator(".token.by-model").count() < 400
    page.wait_for_timeout(150)
    assert story(page) == written
    assert page.locator("#status-message").text_content() == "Stopped."


def test_a_new_story_during_generation(open_page, slow_address):
    page = open_page(url=slow_address)
    set_slider(page, "max_tokens", 400)
    page.click("#generate")
    page.wait_for_function("() => document.querySelectorAll('.token.by-model').length > 3")
    page.click("#new-story")
    is_idle(page)
    assert page.locator(".token").count() == 0
    assert page.locator("#undo").is_disabled()
    generate(page, tokens=10)
    assert page.locator(".token.by-model").count() == 10


def test_keyboard_only(open_page):
    page = open_page()
    set_slider(page, "max_tokens", 10)
    set_slider(page, "temperature", 0)
    page.focus("#prompt")
    page.keyboard.type(PROMPT)
    page.keyboard.press("Control+Enter")
    is_idle(page)
    written = story(page)

    page.keyboard.press("Escape")
    page.focus(".pane select")
    page.keyboard.press("Tab")  # to the tokens, which are one tab stop
    assert page.evaluate("document.activeElement.textContent") == "O"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    at = page.evaluate("document.activeElement.textContent")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "button"
    assert "%" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card:not([hidden])")
    page.keyboard.press("ArrowDown")
    other = page.evaluate("document.activeElement.querySelector('.candidate-text').textContent")
    assert other.strip() != at.strip()
    page.keyboard.press("Escape")
    assert page.locator(".card").is_hidden()
    assert page.evaluate("document.activeElement.textContent") == at  # the focus has returned
    page.keyboard.press("Enter")
    page.wait_for_selector(".card:not([hidden])")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    is_idle(page)
    assert story(page) != written
    assert page.locator("#branches .segment").count() == 3  # the stem and two branches
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert story(page) == written


BEFORE = """
(token) => {
  const range = document.createRange();
  range.setStart(token.parentElement, 0);
  range.setEndBefore(token);
  return range.toString();
}
"""


def test_an_alternative_branches_the_story(open_page):
    page = open_page()
    generate(page, tokens=12)
    written = story(page)
    tokens = page.locator(".token")
    position = 10
    kept = tokens.nth(position).evaluate(BEFORE)
    tokens.nth(position).hover()
    page.wait_for_selector(".card:not([hidden])")
    chosen = page.locator(".card .candidate:not(.current)").first
    text = chosen.locator(".candidate-text").text_content()
    chosen.click()
    is_idle(page)

    branched = story(page)
    assert branched.startswith(kept)
    assert branched != written
    assert tokens.nth(position).text_content().strip() == text
    assert "by-user" in tokens.nth(position).get_attribute("class")
    segments = page.locator("#branches .segment")
    assert segments.count() == 3
    page.locator("#branches .segment:not(.on)").click()
    assert story(page) == written
    page.click("#undo")
    assert story(page) == branched


def test_equal_seeds_give_equal_stories(open_page):
    page = open_page()
    page.fill("#set-seed", "5")
    generate(page, temperature=1.0)
    first = story(page)
    page.click("#new-story")
    assert page.locator("#prompt").input_value() == PROMPT
    generate(page, temperature=1.0)
    assert story(page) == first
    page.click("#new-story")
    page.fill("#set-seed", "6")
    generate(page, temperature=1.0)
    assert story(page) != first


def test_the_sliders_move_the_bars_without_a_request(open_page, models):
    page = open_page()
    kept = page.locator("#next button.candidate:visible:not(.filtered-out)")
    page.wait_for_selector("#next[aria-busy=false]")
    assert kept.count() == 10
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    set_slider(page, "top_k", 2)  # the third of its steps: 3
    assert kept.count() == 3
    size = models["first"].tokenizer.vocab_size
    summary = page.locator("#next-summary").text_content()
    assert summary.startswith(f"3 of {size} can be sampled here.")
    page.wait_for_function(
        "text => document.getElementById('status-message').textContent === text", arg=summary
    )
    set_slider(page, "temperature", 0)
    assert kept.count() == 1
    assert kept.first.locator(".value").text_content() == "100%"
    assert page.locator("#set-temperature").get_attribute("aria-valuetext") == "0 (greedy)"
    assert requested == []
    page.reload()
    page.wait_for_selector("#next[aria-busy=false]")
    assert kept.count() == 1  # the settings were stored


SHARES = """
(bars) => bars.map((bar) => parseFloat(bar.style.width)).reduce((total, width) => total + width)
"""


def test_the_bars_of_all_tokens_have_a_constant_total_length(open_page):
    page = open_page()
    page.wait_for_selector("#next[aria-busy=false]")
    rest = page.locator("#next .rest")
    values = []
    set_slider(page, "top_k", 16)  # off
    for temperature in (0.2, 1.0, 2.0):
        set_slider(page, "temperature", temperature)
        for bars in ("#next .model-bar", "#next .sampled-bar"):
            assert page.locator(bars).evaluate_all(SHARES) == pytest.approx(100, abs=0.1)
        width = rest.locator(".sampled-bar").evaluate("bar => parseFloat(bar.style.width)")
        values.append(width)
    assert values == sorted(set(values))  # a high temperature gives more to unlikely tokens
    assert "others" in rest.text_content()


def test_token_by_token(open_page):
    page = open_page()
    generate(page, tokens=10)
    before = story(page)
    page.wait_for_selector("#next[aria-busy=false]")
    candidate = page.locator("#next .candidate").nth(1)
    text = candidate.locator(".candidate-text").text_content()
    candidate.click()

    page.wait_for_function(
        "before => document.querySelector('.story').textContent !== before", arg=before
    )
    assert story(page).endswith(text)
    page.locator(".own-text").fill("the moon")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.story').textContent.endsWith(' the moon')"
    )
    assert page.locator(".token").last.get_attribute("class").startswith("token by-user")


def test_two_models_side_by_side(open_page):
    page = open_page()
    generate(page)
    page.click("#compare")
    page.wait_for_function(
        "text => document.querySelectorAll('.story')[1].textContent === text", arg=PROMPT
    )
    assert page.locator("#compare").get_attribute("aria-pressed") == "true"
    assert page.locator(".pane select").nth(1).input_value() == "second"
    page.click("#generate")
    is_idle(page)
    left, right = story(page, 0), story(page, 1)
    assert left.startswith(PROMPT)
    assert right.startswith(PROMPT)
    assert left[: len(right)] != right
    page.check("input[name=settings-of][value='0']")
    set_slider(page, "temperature", 1.5)
    captions = page.locator(".pane .caption")
    assert "temperature 1.5" in captions.nth(0).text_content()
    assert "temperature 0," in captions.nth(1).text_content()
    page.click("#compare")
    assert page.locator(".pane").count() == 1
    assert story(page) == left


def test_colors(open_page):
    page = open_page()
    generate(page, temperature=1.0)
    assert page.locator(".token.tint-1, .token.tint-2, .token.tint-3").count() == 0
    for scale in ("probability", "surprisal"):
        page.check(f"input[name=color][value={scale}]")
        assert page.locator(".legend .swatch").count() == 6
        tints = {
            name
            for names in page.locator(".token.by-model").evaluate_all(
                "tokens => tokens.map((token) => [...token.classList])"
            )
            for name in names
            if name.startswith("tint-")
        }
        assert len(tints) >= 3
    page.check("input[name=color][value=none]")
    assert page.locator(".legend").is_hidden()


def test_copy_and_save(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    generate(page)
    page.click("#copy")
    page.wait_for_function("() => document.getElementById('copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == story(page)
    with page.expect_download() as caught:
        page.click("#save")
    assert caught.value.suggested_filename.startswith("One-day-a-fox")
    assert caught.value.path().read_text("utf-8") == f"{story(page)}\n"


def test_screen_readers_get_whole_sentences(open_page):
    page = open_page()
    fulfil(page, [" the fox slept", ".", " then", " it", " was home", "!"], "stop")
    page.fill("#prompt", PROMPT)
    page.click("#generate")
    is_idle(page)

    lines = page.locator("#story-log p").all_text_contents()
    assert lines == ["the fox slept.", "then it was home!"]
    assert page.locator("#story-log").get_attribute("aria-live") == "polite"
    assert page.locator("#status-message").text_content() == "The story has ended."
    assert page.locator(".end-mark").is_visible()


def fulfil(page, pieces, reason):
    """Let the server stream exactly these pieces."""
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


def test_an_error_is_shown_and_cleared(open_page):
    page = open_page(expect=("429",))
    answer = json.dumps({"error": {"message": "all slots are taken", "type": "rate_limit_error"}})
    page.route("**/v1/completions", lambda route: route.fulfill(status=429, body=answer))
    page.click("#generate")
    page.wait_for_selector("#notice:not([hidden])")
    assert page.locator("#notice").text_content() == "All slots are taken."
    assert page.locator("#notice").get_attribute("role") == "alert"
    with page.expect_response("**/insight/next"):  # succeeds, and is not what failed
        page.click("#new-story")
    page.wait_for_selector("#next[aria-busy=false]")
    assert page.locator("#notice").is_visible()
    page.unroute("**/v1/completions")
    page.click("#generate")
    is_idle(page)
    assert page.locator("#notice").is_hidden()


def test_a_story_outlives_a_change_of_model_that_fails(open_page):
    page = open_page(expect=("429",))
    generate(page)
    written, model = story(page), page.locator(".pane select").input_value()
    answer = json.dumps({"error": {"message": "all slots are taken", "type": "rate_limit_error"}})
    page.route("**/insight/tokens", lambda route: route.fulfill(status=429, body=answer))
    page.locator(".pane select").select_option("second")
    page.wait_for_selector("#notice:not([hidden])")
    assert story(page) == written
    assert page.locator(".pane select").input_value() == model
    page.locator(".own-text").fill("the moon")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.own-text').value === 'the moon'")
    assert story(page) == written


PANE = """
async () => {
  const { StoryPane } = await import("/page/story_pane.js");
  const view = { paneChanged() {}, activate() {}, alternatives: {}, colorBy: "none" };
  const models = [{ name: "small", end_id: 9, block_size: 64, max_new_tokens: 100 }];
  const settings = { max_tokens: 160, seed: null, temperature: 1, top_k: 0, top_p: 1, min_p: 0 };
  const pane = new StoryPane(view, { name: "", models, model: "small", settings });
  const { tree } = pane;
  const one = tree.add(tree.root, { id: 1, text: "One", kind: "text" }, "user");
  const end = tree.add(one, { id: 9, text: "", kind: "end" }, "user");
  tree.add(one, { id: 2, text: " day", kind: "text" }, "user");
  pane.choose(end);
  const { prompt, max_tokens } = pane.completionRequest();
  return { ended: pane.current.ended, prompt, max_tokens };
}
"""


def test_a_chosen_end_is_no_part_of_the_prompt(open_page):
    assert open_page().evaluate(PANE) == {"ended": True, "prompt": [1], "max_tokens": 100}


ANSWER_THE_DIALOG = """
addEventListener("DOMContentLoaded", () => setInterval(() => {
  const dialog = document.getElementById("key-dialog");
  if (!dialog.open) return;
  document.getElementById("key").value = "ouvre-toi, sésame";
  dialog.querySelector("button").click();
}, 50))
"""


def test_a_server_with_an_api_key(open_page, locked_address):
    page = open_page(
        url=locked_address,
        expect=("401",),
        before=lambda page: page.add_init_script(ANSWER_THE_DIALOG),
    )
    generate(page)
    assert page.locator(".token.by-model").count() == 20
    assert page.evaluate("sessionStorage.getItem('slm.key')") == "ouvre-toi, sésame"


def test_on_a_phone(open_page):
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    assert overflow(page) <= 0
    tops = [link.bounding_box()["y"] for link in page.locator("nav a").all()]
    assert len(tops) == 3
    assert max(tops) == min(tops)  # the header takes one line
    generate(page)
    assert overflow(page) <= 0
    page.locator(".token").nth(8).tap()
    page.wait_for_selector(".card:not([hidden])")
    box = page.locator(".card").bounding_box()
    assert box["x"] == 0
    assert box["width"] == PHONE["width"]
    assert box["y"] + box["height"] == pytest.approx(PHONE["height"], abs=2)
    page.locator(".card .candidate:not(.current)").first.tap()
    is_idle(page)
    page.locator("#compare").tap()
    assert overflow(page) <= 0
    for button in page.locator(".toolbar button").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


def test_the_sidebar_ends_on_the_screen(open_page):
    """Its last setting can be reached without scrolling the page as well."""
    page = open_page()
    box = page.locator(".sidebar").bounding_box()
    assert box["y"] + box["height"] <= DESKTOP["height"]


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
