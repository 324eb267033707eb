"""Light and dark, contrast, accessible names, and the tab order."""

from __future__ import annotations

import pytest

from tests.page.test_write import generate

CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const mixed = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const [color, opacity] of colors) {
      canvas.globalAlpha = opacity;
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const ignored = ":disabled, svg, noscript, option, .visually-hidden, [aria-hidden]";
  const hasText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const failures = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!hasText(element) || !element.checkVisibility() || element.closest(ignored)) continue;
    const behind = [];
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) {
      behind.unshift([getComputedStyle(at).backgroundColor, 1]);
      opacity *= Number(getComputedStyle(at).opacity);
    }
    const ground = mixed(behind);
    const text = mixed([...behind, [getComputedStyle(element).color, opacity]]);
    const ratio = Math.max(text / ground, ground / text);
    const start = element.textContent.trim().slice(0, 20);
    if (ratio < 4.5) failures.push(`${element.className} "${start}": ${ratio.toFixed(2)}`);
  }
  return failures;
}
"""


def darkness(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_the_user_chooses(open_page):
    page = open_page(color_scheme="dark")
    dark = darkness(page)
    assert page.locator("#theme").get_attribute("aria-label") == "Switch to light colors"
    page.emulate_media(color_scheme="light")
    light = darkness(page)
    assert light != dark
    page.click("#theme")
    assert darkness(page) == dark
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert darkness(page) == dark
    page.click("#theme")
    assert darkness(page) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_more_contrast_on_request(open_page, scheme):
    """Hints have the color of the text."""
    page = open_page(color_scheme=scheme, contrast="more")
    color = "element => getComputedStyle(element).color"
    assert page.locator(".hint").first.evaluate(color) == page.locator("body").evaluate(color)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(open_page, scheme):
    page = open_page(color_scheme=scheme)
    generate(page, tokens=60, temperature=1.0)
    page.wait_for_selector("#next[aria-busy=false]")
    for scale in ("none", "probability", "surprisal"):
        page.check(f"input[name=color][value={scale}]")
        assert page.evaluate(CONTRAST) == []
    page.goto(page.url.split("#")[0] + "#inside")
    page.wait_for_selector(".head[aria-checked=true]")
    assert page.evaluate(CONTRAST) == []


UNNAMED = """
() => [...document.querySelectorAll("button, a, input, select, textarea, [role=button]")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.getAttribute("aria-label") || element.textContent.trim()
    || element.labels?.length || element.closest("label")?.textContent.trim()))
  .map((element) => element.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("at", ["#write", "#inside", "#run"])
def test_accessible_names(open_page, at):
    page = open_page(at)
    page.wait_for_timeout(300)
    assert page.evaluate(UNNAMED) == []
    assert page.locator("h1:visible").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"


NAME_OF_FOCUS = """
() => {
  const focus = document.activeElement;
  return focus.id || focus.className || focus.textContent;
}
"""


def test_tab_order(open_page):
    page = open_page()
    page.wait_for_selector("#next .candidate:visible")
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(NAME_OF_FOCUS))
    assert seen[:4] == ["skip-link", "Write", "Look inside", "run-link"]
    order = [seen.index(name) for name in ("theme", "prompt", "example", "generate", "compare")]
    assert order == sorted(order)


def test_the_skip_link(open_page):
    page = open_page()
    page.click("nav a[href='#inside']")
    page.focus(".skip-link")
    assert page.locator(".skip-link").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("#inside").is_visible()


def test_fragments_of_earlier_versions(open_page):
    """A bookmark of #think opens the view that is now called #inside."""
    page = open_page("#think")
    assert page.locator("#inside").is_visible()
    assert page.locator("nav a[aria-current]").text_content() == "Look inside"


@pytest.mark.parametrize(("text_dtype", "count"), [("float32", 0), ("int8", 2)])
def test_dtypes_are_named_if_they_differ(open_page, text_dtype, count):
    def models(route):
        answer = route.fetch()
        dtypes = {"dtype": "float32", "text_dtype": text_dtype}
        listed = [{**model, **dtypes} for model in answer.json()["models"]]
        route.fulfill(response=answer, json={"models": listed})

    page = open_page(before=lambda page: page.route("**/insight/models", models))
    notes = page.locator(".dtype-note:not([hidden])")
    assert notes.count() == count
    for text in notes.all_text_contents():
        assert text.startswith("Computed in float32. Stories are generated with int8 weights")


def test_high_contrast(open_page):
    """In forced colors mode the scale is shown by underlines."""
    page = open_page(forced_colors="active")
    generate(page, tokens=60, temperature=1.0)
    page.check("input[name=color][value=surprisal]")
    marked = page.locator(".token.tint-2, .token.tint-3, .token.tint-4").first
    assert "underline" in marked.evaluate("token => getComputedStyle(token).textDecorationLine")
