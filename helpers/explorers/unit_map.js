// A map of units: points of `data` (made by unit_map.py) in `root`, each of which opens its unit.

const HELP = "Each point is a unit: click it, or Tab to it and press the arrow keys, and its card opens. ";
const FINDS = "Find does not rank: it keeps the units with a class among the three most frequent of their strongest images, of a layer, ";
const NEAR = 24; // pixels from a point that still mean it: fingers are no needles
const SPREAD = 0.42; // of the distance of two layers, to either side

// --- where the points are, in per cent of the plot --------------------------------------------------

function scaled({ from, to }, value) {
  return (100 * (value - from)) / (to - from);
}

// Points of one layer side by side where they would lie on each other.
function swarm(data, height) {
  const rows = data.layer.map((layer, i) => `${data.column[layer]} ${Math.round(height[i] / 1.6)}`);
  const size = {}, seen = {};
  for (const row of rows) size[row] = (size[row] ?? 0) + 1;
  const widest = Math.max(...Object.values(size)), step = Math.min(0.06, (2 * SPREAD) / widest);
  return rows.map(row => {
    const n = (seen[row] = (seen[row] ?? -1) + 1), side = n % 2 ? 1 : -1;
    return step * side * Math.ceil(n / 2);
  });
}

function places(data) {
  const [first, second] = data.values.map(value => value.values);
  if (data.view === "hues") return first.map((hue, i) => {
    const angle = (hue * Math.PI) / 180, radius = data.radius * second[i];
    return [50 + radius * Math.cos(angle), 50 - radius * Math.sin(angle)];
  });
  if (data.view === "ends") return first.map((x, i) => [scaled(data.x, x), 100 - scaled(data.y, second[i])]);
  const height = first.map(value => 100 - scaled(data.y, value)), aside = swarm(data, height);
  return height.map((y, i) => [scaled(data.x, data.column[data.layer[i]] + aside[i]), y]);
}

// Where a picture stands beside its point: the nearest place at which it covers no point and no other picture.
function beside(data, at) {
  const size = 100 * data.tile, found = new Map();
  const free = (x, y) => at.every(other => Math.max(Math.abs(other[0] - x), Math.abs(other[1] - y)) > size / 2 + 1)
    && [...found.values()].every(other => Math.max(Math.abs(other[0] - x), Math.abs(other[1] - y)) > size)
    && Math.min(x, y, 100 - x, 100 - y) > size / 2;
  if (data.tile) at.forEach(([x, y], i) => {
    for (let away = 0.8; data.picture[i] >= 0 && away < 2 && !found.has(i); away += 0.3) for (let turn = 0; turn < 16; turn++) {
      const angle = Math.atan2(y - 50, x - 50) + (turn % 2 ? 1 : -1) * Math.ceil(turn / 2) * (Math.PI / 8); // outwards first
      const place = [x + away * size * Math.cos(angle), y + away * size * Math.sin(angle)];
      if (free(...place)) { found.set(i, place); break; }
    }
  });
  return found;
}

// --- the ground: axes, lines and rings, for the eye; the same is said of every point in words ---------

function ground(data, at, aside) {
  const text = (name, x, y, words) => {
    const label = h("span", { class: "um-tick " + name }, words);
    label.style.left = x + "%";
    label.style.top = y + "%";
    return label;
  };
  if (data.view === "hues") {
    const circle = (radius, name) => `<circle class="${name}" cx="50" cy="50" r="${data.radius * radius}"/>`;
    const leader = ([x, y], i) => `<path class="um-leader" d="M${at[i].join(" ")}L${x} ${y}"/>`;
    return [svg(data.rings.map(ring => circle(ring, ring === data.selective ? "um-line" : "um-grid")).join("")
      + [...aside].map(([i, place]) => leader(place, i)).join("")),
      ...data.rings.map(ring => text("um-ring-name", 50, 50 + data.radius * ring, ring.toFixed(1))),
      ...data.names.map(([name, hue]) => text("um-hue", 50 + 47 * Math.cos((hue * Math.PI) / 180),
        50 - 47 * Math.sin((hue * Math.PI) / 180), name))];
  }
  const across = value => `M0 ${100 - scaled(data.y, value)}H100`, up = value => `M${scaled(data.x, value)} 0V100`;
  const path = (name, d) => `<path class="${name}" d="${d}"/>`;
  const drawn = path("um-grid", data.y.ticks.map(([value]) => across(value)).join("")
      + (data.view === "ends" ? data.x.ticks.map(([value]) => up(value)).join("") : ""))
    + path("um-line", [data.y.line].filter(value => value !== null).map(across).join("") + [data.x.line].filter(value => value !== null).map(up).join(""));
  return [svg(drawn),
    ...data.x.ticks.map(([value, words]) => text("um-x", scaled(data.x, value), 100, words)),
    ...data.y.ticks.map(([value, words]) => text("um-y", 0, 100 - scaled(data.y, value), words))];
}

// --- one map ------------------------------------------------------------------------------------------

function mount(root, data) {
  const $ = selector => root.querySelector(selector);
  const plot = $(".um-plot"), card = $(".um-card"), search = $(".ux-filter input");
  const at = places(data), aside = beside(data, at), everyone = at.map((_, i) => i);
  const [first, second] = data.values.map(value => value.values), inLayers = data.view === "profile";
  const layerOf = i => data.layers[data.layer[i]];
  const named = data.values.some(value => value.written === "words"); // colours
  const own = i => `${data.study}/${layerOf(i)}-${data.unit[i]}`;
  const written = (value, i) => {
    const one = value.values[i];
    return one === null ? "none" : value.written === "words" ? one : WRITTEN[value.written](one);
  };
  const classes = i => data.top[i].map(([c, share]) => [readable(data.classes[c]), percent(share)]);
  const name = i => `${layerOf(i)}, unit ${data.unit[i]}`;
  const says = i => [name(i), ...data.values.map(value => `${value.name} ${written(value, i)}`),
    ...classes(i).slice(0, 1).map(([kind, share]) => `most frequent class ${kind} ${share}`)].join("; ");
  let current = data.start, among = new Set(everyone), order = [];

  begin(root);
  const linked = linkable(root);

  // The explorer of this page that has a unit, if there is one.
  function elsewhere(i) {
    for (const other of document.querySelectorAll(".unit-explorer")) {
      const found = other.unitAt?.(data.study, layerOf(i), data.unit[i]);
      if (found) return found;
    }
    return null;
  }

  const points = everyone.map(i => {
    const point = document.createElement("a");
    point.className = "um-point " + (data.mark[i] ? "um-mark" : "um-dot");
    point.style.cssText = `left:${at[i][0].toFixed(2)}%;top:${at[i][1].toFixed(2)}%`;
    if (data.colour) point.style.background = data.colour[i];
    point.setAttribute("aria-hidden", "true"); // one at a time is read: thousands of links would bury the page
    return point;
  });
  const pictures = [...aside].map(([i, [x, y]]) => {
    const picture = tile(data.sheet, data.picture[i], "");
    for (const name of ["role", "aria-label", "title"]) picture.removeAttribute(name); // its point has the words
    picture.classList.add("um-picture");
    picture.dataset.point = i;
    Object.assign(picture.style, { left: x + "%", top: y + "%", width: 100 * data.tile + "%" });
    return picture;
  });
  const ring = h("span", { class: "um-ring", "aria-hidden": "true" }), tip = h("span", { class: "um-tip", "aria-hidden": "true", hidden: "" });

  function show(i) {
    const before = points[current];
    for (const gone of ["href", "tabindex", "aria-label", "aria-current"]) before.removeAttribute(gone);
    before.setAttribute("aria-hidden", "true");
    current = i;
    const other = elsewhere(i), address = other ? other.address : "#" + encodeURI(own(i)), point = points[i];
    for (const [key, value] of Object.entries({ href: address, tabindex: 0, "aria-label": says(i), "aria-current": "true" }))
      point.setAttribute(key, value);
    point.removeAttribute("aria-hidden");
    ring.style.left = point.style.left;
    ring.style.top = point.style.top;
    const what = data.what[data.layer[i]];
    const picture = data.picture[i] < 0 ? h("span", { class: "ux-none" }, "no picture here")
      : tile(data.sheet, data.picture[i], `${what} of ${name(i)}`);
    const link = h("a", { class: "ux-link", href: address }, other ? "open it in the explorer" : "link to this unit");
    link.hidden = !other && !linked;
    if (other) link.addEventListener("click", event => enter(event, other));
    card.replaceChildren(h("p", { class: "ux-status" }, name(i)),
      h("figure", {}, picture, h("figcaption", {}, data.picture[i] < 0 ? "" : what)),
      h("ul", { class: "um-facts" },
        ...data.values.map(value => h("li", {}, h("span", { class: "ux-muted" }, value.name), " ", h("b", {}, written(value, i)))),
        h("li", {}, h("span", { class: "ux-muted" }, "classes of its strongest images"), " ",
          h("b", {}, classes(i).map(([kind, share]) => `${kind} ${share.replace(" ", "\u00a0")}`).join(", ") || "none"))),
      h("p", { class: "um-link" }, link));
  }

  // In a notebook an address leads nowhere, so the explorer is moved by hand.
  function enter(event, other) {
    if (linked && location.hash !== other.address) return;
    event.preventDefault();
    other.open();
  }

  function choose(i) {
    show(i);
    points[i].focus({ preventScroll: true });
  }

  function arrange() {
    const wanted = search.value.trim().toLowerCase();
    const fits = i => !wanted || (/^\d+$/.test(wanted) ? data.unit[i] === +wanted
      : [layerOf(i), `${layerOf(i)}-${data.unit[i]}`, ...classes(i).map(([kind]) => kind),
        ...data.values.filter(value => value.written === "words").map(value => value.values[i] ?? "")]
        .some(text => text.toLowerCase().includes(wanted)));
    const found = everyone.filter(fits);
    among = new Set(found);
    // From left to right, and in a layer from its smallest value up; around the wheel by hue.
    const main = inLayers ? i => data.column[data.layer[i]] : i => first[i], then = inLayers ? i => first[i] : i => second[i];
    order = found.sort((a, b) => main(a) - main(b) || then(a) - then(b) || a - b);
    points.forEach((point, i) => point.classList.toggle("um-other", !among.has(i)));
    pictures.forEach(picture => picture.classList.toggle("um-other", !among.has(+picture.dataset.point)));
    $(".ux-note").textContent = !wanted ? HELP + FINDS + (named ? "of a colour, or of a number." : "or of a number.")
      : `${found.length || "No"} of ${at.length} units ${found.length === 1 ? "matches" : "match"}`
        + (found.length && found.length < at.length ? "; the others are faint." : ".");
    if (wanted && found.length && !among.has(current)) show(order[0]);
  }

  // The point that an arrow key leads to: every point can be reached by left and right (in layers, by up and down).
  function step(dx, dy) {
    const along = (list, by) => list[Math.min(Math.max(list.indexOf(current) + by, 0), list.length - 1)];
    if (!among.has(current)) return order[0];
    if (!inLayers) return dx ? along(order, dx) : along([...order].sort((a, b) => second[a] - second[b] || first[a] - first[b] || a - b), dy);
    if (dy) return along(order, dy);
    const columns = [...new Set(order.map(i => data.column[data.layer[i]]))];
    const column = columns[columns.indexOf(data.column[data.layer[current]]) + dx];
    const there = order.filter(i => data.column[data.layer[i]] === column);
    return there.reduce((best, i) => (Math.abs(first[i] - first[current]) < Math.abs(first[best] - first[current]) ? i : best), there[0] ?? current);
  }

  // The point that is meant; of several in one place the one after the current, so that clicking again leads through all.
  function nearest(event) {
    if (event.target.dataset.point) return +event.target.dataset.point;
    const box = plot.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const away = i => Math.hypot(x - (at[i][0] * box.width) / 100, y - (at[i][1] * box.height) / 100);
    const near = order.map(away), least = near.reduce((a, b) => Math.min(a, b), NEAR);
    const there = order.filter((_, place) => near[place] < Math.min(least + 1, NEAR));
    return there[(there.indexOf(current) + 1) % there.length] ?? -1;
  }

  plot.addEventListener("click", event => {
    const keys = event.detail === 0, i = keys ? current : nearest(event); // 0: Enter on a point
    const other = keys && elsewhere(i);
    if (other) return enter(event, other);
    if (!keys || !linked) event.preventDefault();
    if (i >= 0) choose(i);
  });
  plot.addEventListener("pointermove", event => {
    const i = event.pointerType === "touch" ? -1 : nearest(event);
    tip.hidden = i < 0;
    if (i < 0) return;
    tip.textContent = [`${layerOf(i)}:${data.unit[i]}`, ...classes(i).slice(0, 1).map(([kind]) => kind)].join(" ");
    tip.style.left = at[i][0] + "%";
    tip.style.top = at[i][1] + "%";
    tip.style.transform = `translate(${at[i][0] > 50 ? "calc(-100% - 10px)" : "10px"}, -130%)`;
  });
  // By script: a selector that asks what is inside would be asked of thousands of points at every step.
  plot.addEventListener("focusin", event => ring.classList.toggle("um-focus", event.target.matches(":focus-visible")));
  plot.addEventListener("focusout", () => ring.classList.remove("um-focus"));
  plot.addEventListener("pointerleave", () => { tip.hidden = true; });
  plot.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || !order.length) return;
    const to = { ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, 1), ArrowDown: () => step(0, -1),
      Home: () => order[0], End: () => order[order.length - 1] }[event.key];
    if (!to) return;
    event.preventDefault();
    // A notebook has shortcuts of its own on these keys.
    event.stopPropagation();
    choose(to());
  });
  search.addEventListener("input", arrange);
  // Explorers further down the page are not there yet when this runs.
  const refresh = () => { if (!root.contains(document.activeElement)) show(current); };
  root.addEventListener("pointerenter", refresh);
  window.addEventListener("load", refresh, { once: true });

  root.classList.add("um-" + data.view);
  plot.classList.toggle("um-crowd", data.x?.ticks.length > 8);
  plot.classList.add(at.length > 1500 ? "um-many" : at.length > 300 ? "um-some" : "um-few");
  if (named) search.placeholder = "class, colour or layer";
  plot.setAttribute("aria-label", `${at.length} units; arrow keys move between them`);
  plot.append(...ground(data, at, aside), h("div", { class: "um-points" }, ...points), ...pictures, ring, tip);
  $(".um-above").textContent = data.y?.name ?? "";
  $(".um-below").textContent = data.x?.name ?? "";
  $(".um-key").append(...data.key.map(([sign, words]) => h("li", {}, h("span", { class: "um-sign um-" + sign, "aria-hidden": "true" }), words)));
  arrange();
  show(current);
  if (linked) followAddress(() => {
    const text = hashText(), i = everyone.findIndex(j => text === own(j) || text === `${layerOf(j)}-${data.unit[j]}`);
    if (i < 0) return;
    if (!among.has(i)) { search.value = ""; arrange(); }
    show(i);
    if (!elsewhere(i)) root.scrollIntoView();
  });
}
