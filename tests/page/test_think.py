"""See it think, in a real browser."""

from __future__ import annotations

import dataclasses

from tests.page.conftest import PHONE
from tests.page.serving import serving
from tests.page.test_write import overflow, story, tell

TEXT = "One day a fox saw the moon."


def look(page, text=TEXT):
    page.fill("#look-text", text)
    page.click("#look button.main")
    page.wait_for_function(
        "() => document.getElementById('look-status').textContent === ''"
        " && document.querySelectorAll('.head[aria-checked=true]').length === 1"
    )


def test_surprise(open_page, models):
    page = open_page("#think")
    look(page)
    n_tokens = len(models["first"].tokenizer.encode(TEXT))
    assert page.locator(".bar-word").count() == n_tokens
    assert "bits per byte" in page.locator("#loss-lead").text_content()
    page.locator(".bar-word").nth(0).focus()
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("n: ")
    assert page.locator("#loss .detail").text_content().startswith("“n”: ")


def test_attention(open_page, models):
    page = open_page("#think")
    look(page)
    config = models["first"].model.config
    heads = page.locator(".head")
    assert heads.count() == config.n_layer * config.n_head
    heads.nth(0).click()
    assert page.locator(".head-title").text_content() == "Layer 1, head 1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".head-title").text_content() == "Layer 2, head 2"
    words = page.locator(".attended-word")
    words.nth(4).hover()
    assert page.locator(".reading .detail").text_content().startswith("“day” takes ")
    assert "later" in words.nth(5).get_attribute("class")
    words.nth(4).focus()
    page.keyboard.press("Home")
    assert page.locator(".reading .detail").text_content() == "The start takes 100 % from itself."
    painted = "canvas => canvas.getContext('2d').getImageData(2, 2, 1, 1).data[3]"
    assert page.locator(".head canvas").first.evaluate(painted) == 255  # the start sees itself only


def test_the_lens(open_page, models):
    page = open_page("#think")
    look(page)
    layers = models["first"].model.config.n_layer
    rows = page.locator(".lens tbody tr")
    assert rows.count() == layers + 1
    assert page.locator(".lens tbody th").first.text_content() == f"layer {layers}"
    comes = page.locator(".truth td").all_text_contents()
    assert comes[3:] == ["day", "a", "fox", "saw", "the", "moon", ".", "?"]
    page.locator(".guess").first.focus()
    assert page.locator("#lens .detail").text_content().startswith(f"After layer {layers}: “")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("layer 1,")


def test_a_story_of_one_s_own(open_page):
    page = open_page()
    tell(page, tokens=10)
    told = story(page)
    page.click("nav a[href='#think']")
    page.click("#take-story")
    page.wait_for_function("() => document.querySelector('.bars-text')")
    page.wait_for_function("n => document.querySelectorAll('.bar-word').length === n", arg=16)
    assert page.locator("#look-text").input_value() == told.strip()
    assert page.evaluate("document.title")


def test_a_text_longer_than_the_context(open_page):
    page = open_page("#think")
    page.fill("#look-text", " the fox" * 80)
    page.click("#look button.main")
    page.wait_for_function(
        "() => document.getElementById('look-status').textContent.includes('first 127')"
    )
    assert page.locator(".bar-word").count() == 160


def test_nothing_to_look_at(open_page):
    page = open_page("#think", expect=("400",))
    page.fill("#look-text", "")
    page.click("#look button.main")
    page.wait_for_selector("#notice:not([hidden])")
    assert "empty" in page.locator("#notice").text_content()


def test_on_a_phone(open_page):
    page = open_page("#think", viewport=PHONE, has_touch=True, is_mobile=True)
    look(page)
    assert overflow(page) <= 0


def test_the_dtypes_are_named_where_stories_are_computed_in_another(open_page, models):
    page = open_page()
    assert page.locator(".dtype-note:not([hidden])").count() == 0
    native = {name: dataclasses.replace(of, text_dtype="int8") for name, of in models.items()}
    with serving(native) as address:
        page = open_page(url=address)
        note = page.locator("#write .dtype-note")
        assert note.is_visible()
        assert note.text_content().startswith(
            "Computed in float32. Stories are generated with int8"
        )
        page.click("nav a[href='#think']")
        look(page)
        assert page.locator("#think .dtype-note").is_visible()
