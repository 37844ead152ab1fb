// A figure that is wider than the screen scrolls in its own box, which then takes the keyboard.
function reachable() {
  for (const figure of document.querySelectorAll("figure:has(img)")) {
    if (figure.scrollWidth > figure.clientWidth + 1) figure.tabIndex = 0;
    else figure.removeAttribute("tabindex");
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
