"""What a browser says about a page: JavaScript expressions for `Browser.run`."""

CUT = """[...document.querySelectorAll('.cell_input pre, .cell_output pre')]
  .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60))"""
OVERFLOW = "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)"
# Tables that leave the column and do not scroll in a box of their own.
LOOSE_TABLES = """(right => [...document.querySelectorAll('article table')].filter(e => e.offsetParent
  && e.getBoundingClientRect().right > right + 1 && !e.closest('.vl-table, .pst-scrollable-table-container')).length)(
  document.querySelector('article').getBoundingClientRect().right)"""
# What scrolls sideways must take the keyboard.
UNREACHABLE = """[...document.querySelectorAll('article *')].filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1
  && /auto|scroll/.test(getComputedStyle(e).overflowX) && e.tabIndex < 0
  && !e.querySelector('a[href], button, input, select, [tabindex="0"]')).map(e => e.className || e.tagName)"""
IMAGE_SCALES = """[...document.querySelectorAll('article img')].filter(e => e.offsetParent && e.naturalWidth > 50)
  .map(e => e.getBoundingClientRect().width / e.naturalWidth)"""
SMALLEST_TEXT_PX = """Math.min(...(function* () {
  const walker = document.createTreeWalker(document.querySelector('article'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) { const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && e.offsetParent && !e.closest('mjx-container, script, style')) yield parseFloat(getComputedStyle(e).fontSize); }
})())"""
# Contrast (WCAG 2) of each text with the nearest opaque colour behind it; 4.5 is asked for, 3 of large text.
LOW_CONTRAST = """(() => {
  const parts = color => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const low = new Set(), walker = document.createTreeWalker(document.querySelector('article'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.offsetParent || e.closest('mjx-container, script, style, svg, .vaescan-explorer')) continue;
    const style = getComputedStyle(e);
    let behind = e;
    while (behind && (parts(getComputedStyle(behind).backgroundColor)[3] ?? 1) < 1) behind = behind.parentElement;
    const ground = light(behind ? parts(getComputedStyle(behind).backgroundColor) : [255, 255, 255]), ink = light(parts(style.color));
    const ratio = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 600);
    if (ratio < (large ? 3 : 4.5) - .005) low.add(`${e.tagName}.${e.className}: ${ratio.toFixed(2)}, ${walker.currentNode.data.trim().slice(0, 30)}`);
  }
  return [...low]; })()"""


def theme(mode):
    """Show the page light or dark, as the reader's choice does."""
    return f"Object.assign(document.documentElement.dataset, {{mode: '{mode}', theme: '{mode}'}}) && 0"
