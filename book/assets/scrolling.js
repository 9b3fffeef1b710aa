// What is wider than the screen scrolls by itself (book.css); with a tab stop, keys can scroll it too.
function reachable() {
  for (const e of document.querySelectorAll("div.math, .cell_output, .output, .bd-article table")) {
    const wide = e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX === "auto";
    if (wide) e.tabIndex = 0;
    else if (e.tabIndex === 0) e.removeAttribute("tabindex");
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
