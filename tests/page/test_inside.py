"""The Look inside view in a real browser."""

from __future__ import annotations

import dataclasses

from tests.page.conftest import PHONE
from tests.page.serving import serving
from tests.page.test_write import generate, overflow, story

TEXT = "One day a fox saw the moon."


def inspect(page, text=TEXT):
    page.fill("#inspect-text", text)
    page.click("#inspect-form button.primary")
    page.wait_for_function(
        "() => document.getElementById('inspect-status').textContent === ''"
        " && document.querySelectorAll('.head[aria-checked=true]').length === 1"
    )


def test_surprisal(open_page, models):
    page = open_page("#inside")
    inspect(page)
    n_tokens = len(models["first"].tokenizer.encode(TEXT))
    assert page.locator(".bar-token").count() == n_tokens
    assert "bits per byte" in page.locator("#surprisal-lead").text_content()
    page.locator(".bar-token").nth(0).focus()
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("n: ")
    assert page.locator("#surprisal .detail").text_content().startswith("“n”: ")


def test_attention(open_page, models):
    page = open_page("#inside")
    inspect(page)
    config = models["first"].model.config
    heads = page.locator(".head")
    assert heads.count() == config.n_layer * config.n_head
    heads.nth(0).click()
    assert page.locator(".head-title").text_content() == "Layer 1, head 1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".head-title").text_content() == "Layer 2, head 2"
    tokens = page.locator(".attended-token")
    tokens.nth(4).hover()
    assert page.locator(".head-detail .detail").text_content().startswith("“day” attends to ")
    assert "future" in tokens.nth(5).get_attribute("class")
    tokens.nth(4).focus()
    page.keyboard.press("Home")
    assert (
        page.locator(".head-detail .detail").text_content()
        == "The start of the text attends to itself (100%)."
    )
    painted = "canvas => canvas.getContext('2d').getImageData(2, 2, 1, 1).data[3]"
    assert (
        page.locator(".head canvas").first.evaluate(painted) == 255
    )  # the start attends to itself only


def test_the_lens(open_page, models):
    page = open_page("#inside")
    inspect(page)
    layers = models["first"].model.config.n_layer
    rows = page.locator(".lens tbody tr")
    assert rows.count() == layers + 1
    assert page.locator(".lens tbody th").first.text_content() == f"layer {layers}"
    actual = page.locator(".actual td").all_text_contents()
    assert actual[3:] == ["day", "a", "fox", "saw", "the", "moon", ".", "?"]
    page.locator(".guess").first.focus()
    assert page.locator("#lens .detail").text_content().startswith(f"After layer {layers}: “")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("layer 1,")


def test_the_story_of_the_write_view(open_page):
    page = open_page()
    generate(page, tokens=10)
    written = story(page)
    page.click("nav a[href='#inside']")
    page.click("#use-story")
    page.wait_for_function("() => document.querySelector('.bars-text')")
    page.wait_for_function("n => document.querySelectorAll('.bar-token').length === n", arg=16)
    assert page.locator("#inspect-text").input_value() == written.strip()
    assert page.evaluate("document.title")


def test_a_text_longer_than_the_context(open_page):
    page = open_page("#inside")
    page.fill("#inspect-text", " the fox" * 80)
    page.click("#inspect-form button.primary")
    page.wait_for_function(
        "() => document.getElementById('inspect-status').textContent.includes('first 127')"
    )
    assert page.locator(".bar-token").count() == 160


def test_the_model_can_be_chosen_if_there_are_several(open_page, models):
    assert open_page("#inside").locator("#inspect-model").is_visible()
    with serving({"first": models["first"]}) as url:
        page = open_page("#inside", url=url)
        assert page.locator("#inspect-text").is_visible()
        assert page.locator("#inspect-model").is_hidden()
        page.context.close()  # before its server, which the page may be asking


def test_an_empty_text(open_page):
    page = open_page("#inside", expect=("400",))
    page.fill("#inspect-text", "")
    page.click("#inspect-form button.primary")
    page.wait_for_selector("#notice:not([hidden])")
    assert "empty" in page.locator("#notice").text_content()


def test_on_a_phone(open_page):
    page = open_page("#inside", viewport=PHONE, has_touch=True, is_mobile=True)
    inspect(page)
    assert overflow(page) <= 0


def test_the_server_names_its_dtypes(open_page, models):
    native = {name: dataclasses.replace(of, text_dtype="int8") for name, of in models.items()}
    with serving(native) as address:
        page = open_page("#inside", url=address)
        inspect(page)
        note = page.locator("#inside .dtype-note")
        assert note.is_visible()
        assert note.text_content().startswith("Computed in float32.")
        assert "int8" in note.text_content()
        page.context.close()
