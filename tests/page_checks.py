"""What a browser says about a page: JavaScript expressions for `Browser.run`."""

UNFOLD = """document.querySelectorAll('article details').forEach(e => { e.open = true; }),
  document.querySelectorAll('.toggle-hidden').forEach(e => e.classList.remove('toggle-hidden'))"""
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
  .map(e => e.getBoundingClientRect().width / (parseFloat(e.style.width) || e.naturalWidth))"""
STRETCHED = """[...document.querySelectorAll('article img')].filter(e => e.offsetParent && e.naturalWidth > 50).filter(e => {
  const r = e.getBoundingClientRect();
  return Math.abs(r.width / r.height * e.naturalHeight / e.naturalWidth - 1) > 0.02; }).length"""
# Elements of the article with text of their own that is shown.
TEXTS = """(() => {
  const walker = document.createTreeWalker(document.querySelector('article'), NodeFilter.SHOW_TEXT), texts = new Map();
  const apart = 'mjx-container, script, style, svg, .headerlink, .vaescan-explorer, .visually-hidden';
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (text && e.offsetParent && !e.closest(apart)) texts.set(e, text);
  }
  return texts;
})()"""
SMALLEST_TEXT_PX = f"Math.min(...[...{TEXTS}.keys()].map(e => parseFloat(getComputedStyle(e).fontSize)))"
# Contrast (WCAG 2) of text with the nearest opaque colour behind it; 4.5 is asked for, 3 of large text.
LOW_CONTRAST = f"""(() => {{
  const parts = color => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = color => parts(color).slice(0, 3).reduce((sum, v, i) => sum + linear(v / 255) * [.2126, .7152, .0722][i], 0);
  const low = [];
  for (const [e, text] of {TEXTS}) {{
    const style = getComputedStyle(e);
    let behind = e;
    while (behind && (parts(getComputedStyle(behind).backgroundColor)[3] ?? 1) < 1) behind = behind.parentElement;
    const ground = light(behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)'), ink = light(style.color);
    const ratio = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05), size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.6 && style.fontWeight >= 600);
    const said = `${{e.tagName}}.${{e.className}}: ${{ratio.toFixed(2)}}, ${{text.slice(0, 30)}}`;
    if (ratio < (isLarge ? 3 : 4.5) - .005) low.push(said);
  }}
  return low;
}})()"""


def theme(mode):
    """Show the page light or dark, as the reader's choice does."""
    return f"Object.assign(document.documentElement.dataset, {{mode: '{mode}', theme: '{mode}'}}) && 0"
