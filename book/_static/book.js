// What is wider than the screen scrolls in its own box, which then takes the keyboard: figures, and code that was folded.
function reachable() {
  for (const box of document.querySelectorAll("figure:has(img), details pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
addEventListener("toggle", reachable, true);
