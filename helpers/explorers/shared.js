// What all views of units share: elements, numbers in words, tiles, and where a view stands.
// Texts from the data enter the page as text, never as markup.

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function svg(markup) { // an inline drawing in per cent of its box; parsed as HTML, so no namespace
  const box = h("span", {});
  box.innerHTML = `<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${markup}</svg>`;
  return box.firstChild;
}

// Three significant digits, thousands whole, two below a thousandth, and a minus sign as wide as a plus.
function number(value) {
  const size = Math.abs(value);
  const text = size >= 999.5 ? value.toFixed(0) : size >= 0.001 || !size ? value.toPrecision(3)
    : size >= 0.0001 ? value.toPrecision(2) : value.toExponential(1);
  return text.replaceAll("-", "\u2212");
}

const percent = share => (share > 0 && share < 0.005 ? "<1" : `${Math.round(100 * share)}`.replace("-", "\u2212")) + " %";
const readable = name => name.replace(/^n\d{8}-/, "").replaceAll("_", " ");

function ordinal(n) {
  const ending = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th";
  return n + ending;
}

function tile(sheet, place, label) {
  const at = (index, count) => (count > 1 ? (100 * index) / (count - 1) : 0) + "%";
  const picture = h("span", { class: "ux-tile", role: "img", "aria-label": label, title: label });
  picture.style.backgroundImage = `url("${sheet.address}")`;
  picture.style.backgroundSize = `${100 * sheet.columns}% ${100 * sheet.rows}%`;
  picture.style.backgroundPosition =
    at(place % sheet.columns, sheet.columns) + " " + at(Math.floor(place / sheet.columns), sheet.rows);
  return picture;
}

const WRITTEN = { number, percent, bits: value => value.toFixed(2) + " bits", degrees: value => Math.round(value) + "\u00b0" };

// Take possession: an identity of its own on the page, and the view in place of the line for pages without scripts.
function begin(root) {
  root.dataset.ready = "";
  for (let n = 2; document.querySelectorAll(`[id='${root.id}']`).length > 1; n++) root.id = root.id.replace(/(-\d)?$/, "-" + n);
  root.querySelector(".ux-off").remove();
  root.querySelector(".ux-on").hidden = false;
}

// Addresses mean something on a page of one's own; a notebook's address belongs to its application.
const linkable = root => /^(https?|file):$/.test(location.protocol) && !root.closest(".jp-OutputArea, .output_area");

// The text behind the # of an address.
function hashText() {
  const text = location.hash.slice(1);
  try { return decodeURIComponent(text); } catch { return text; /* not an address of ours */ }
}

// Call `follow` now and whenever the address changes.
function followAddress(follow) {
  window.addEventListener("hashchange", follow);
  // Again when all is laid out: what stands above may still grow.
  if (document.readyState !== "complete") window.addEventListener("load", follow, { once: true });
  follow();
}
