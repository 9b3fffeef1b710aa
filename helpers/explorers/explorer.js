// The unit explorer: shows one unit of `data` (made by facts.py and pictures.py) in `root`.

// --- the parts of one unit ------------------------------------------------------------------------

function pictures(data, unit, place) {
  const best = unit.top.bars[0];
  const prefers = best ? `; most frequent class ${readable(data.classes[best[0]])}, ${percent(best[1])}` : "";
  const figure = (what, picture) => h("figure", {}, picture, h("figcaption", {}, what));
  const figures = data.sheets.map(sheet => sheet.what === "neuron feature" && !best
    ? figure(sheet.what, h("span", { class: "ux-none" }, "none: no response is above zero"))
    : figure(sheet.what, tile(sheet, place, `${sheet.what} of ${data.layer} unit ${unit.unit}${prefers}`)));
  if (!figures.length) figures.push(figure("neuron feature", h("span", { class: "ux-none" }, "not here; see below")));
  return h("div", { class: "ux-pictures" }, ...figures);
}

// Where the unit stands among all units of its layer: a mark each, its own one tall; and its rank in words.
function placed(values, own, direction = 1) {
  const known = values.filter(value => value !== null);
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const x = value => (1 + (98 * (value - low)) / span).toFixed(1);
  const marks = [...new Set(known.map(x))].map(at => `M${at} 25V75`).join("");
  const rank = 1 + known.filter(value => direction * value > direction * own).length;
  const joint = known.filter(value => value === own).length > 1 ? "joint " : "";
  return {
    rank: own === null ? "" : `${joint}${ordinal(rank)} of ${known.length}`,
    line: svg(`<path class="ux-marks" d="${marks}"/>` + (own === null ? "" : `<path class="ux-own" d="M${x(own)} 0V100"/>`)),
  };
}

function ranks(data, unit) {
  const rows = [["highest response", data.highest, 1], ["lowest response", data.lowest, -1],
    ["share of top class", data.top_share, 1]];
  return h("ul", { class: "ux-ranks" }, ...rows.map(([name, values, direction]) => {
    const own = values[unit.unit], { rank, line } = placed(values, own, direction);
    const shown = own === null ? "none" : name.startsWith("share") ? percent(own) : number(own);
    return h("li", {}, h("p", { class: "ux-muted" }, name), h("p", {}, h("b", {}, shown), " " + rank), line);
  }));
}

// The indexes of a unit, a row each: value, what luck gives, the place among the values of the layer.
function indexes(data, unit) {
  const place = (line, text) => h("td", { class: "ux-place", title: text }, line, h("span", {}, text));
  const rows = data.indexes.map(({ name, written: how, values, luck, words }) => {
    const first = h("th", { scope: "row" }, name);
    if (!values) { // a name only: how many units share it
      const word = readable(words[unit.unit] ?? "none");
      const same = words.filter(other => other === words[unit.unit]).length;
      return h("tr", {}, first, h("td", { colspan: 2, class: "ux-word", title: word }, word),
        place("", `shared by ${same} of ${words.length}`));
    }
    const own = values[unit.unit], { rank, line } = placed(values, own);
    const shown = own === null ? "none" : WRITTEN[how](own);
    const chance = luck && luck[unit.unit] !== null ? WRITTEN[how](luck[unit.unit]) : "";
    return h("tr", {}, first, h("td", {}, h("b", {}, shown)), h("td", {}, chance), place(line, rank));
  });
  const column = name => h("th", { scope: "col" }, name);
  return h("table", { class: "ux-indexes", "aria-label": `indexes of ${data.layer} unit ${unit.unit}` },
    h("thead", {}, h("tr", {}, ...["Index", "value", "by luck", "place (1st: largest)"].map(column))), h("tbody", {}, ...rows));
}

// Two lists, of two numbers of a map: its maximum in the strongest images, from the left, and its minimum in the
// most negative ones, from the right. They are no two ends of one curve.
function tuning(data, unit) {
  const all = [0, ...unit.top.curve, ...unit.bottom.curve].filter(value => value !== null);
  const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
  const y = value => (100 * (high - value)) / span;
  const line = (values, from, to) => values.map((value, i) =>
    `${i ? "L" : "M"}${(from + ((to - from) * i) / Math.max(1, values.length - 1)).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const zero = y(0).toFixed(1);
  const curve = (values, name, from, to) => !values.length ? "" :
    `<path class="ux-area ${name}" d="${line(values, from, to)}V${zero}H${from}Z"/><path class="ux-line ${name}" d="${line(values, from, to)}"/>`;
  const ends = (values, what) => values.length
    ? `${what} from ${number(values[0])} to ${number(values[values.length - 1])}` : `${what}: none`;
  const label = `Tuning curves. ${ends(unit.top.curve, `maximum in the ${unit.top.kept} strongest images`)}; `
    + `${ends(unit.bottom.curve, `minimum in the ${unit.bottom.kept} most negative images`)}; the ReLU hides what is below zero.`;
  const hidden = h("span", { class: "ux-hidden" });
  hidden.style.top = zero + "%";
  const axis = (value, name) => {
    const text = h("span", { class: "ux-axis " + name }, value === 0 ? "0" : number(value));
    text.style.top = y(value) + "%";
    return text;
  };
  // A label that would run into the zero's is left out.
  const plot = h("div", { class: "ux-plot", role: "img", "aria-label": label }, hidden,
    svg(curve(unit.top.curve, "ux-warm", 0, 48) + curve(unit.bottom.curve, "ux-cold", 100, 52)
      + `<path class="ux-zero" d="M0 ${zero}H100"/>`),
    axis(0, ""), ...[high, low].filter(value => Math.abs(y(value) - y(0)) > 14).map(value => axis(value, "")));
  return h("div", { class: "ux-tuning" }, plot,
    h("div", { class: "ux-below" }, h("span", {}, `maximum: ${unit.top.kept} strongest`),
      h("span", { class: "ux-relu" }, "below 0: hidden by the ReLU"),
      h("span", {}, `minimum: ${unit.bottom.kept} lowest`)));
}

// The three strips, each a row of the unit's sheet: title, colour, list, the word for one image, caption.
const STRIPS = [
  ["Strongest", "ux-warm", "top", "strongest", () => "largest response in each image"],
  ["Nearest to zero", "ux-near", "near_zero", "nearest to zero",
    drawn => "values are means over the whole image" + (drawn ? ", as shown" : "")],
  ["Most negative", "ux-cold", "bottom", "most negative", () => "smallest response in each image"],
];

function strip(data, unit, row) {
  const [title, colour, list, word, caption] = STRIPS[row], { images, mean } = unit[list];
  const sheet = { address: unit.strip, columns: data.shown, rows: STRIPS.length };
  const entries = images.map(([value, c, name], i) => {
    const kind = readable(data.classes[c]);
    const parts = [h("b", {}, number(value)), h("span", { class: "ux-class", title: kind }, kind)];
    if (!unit.strip) return h("li", {}, ...parts, h("span", { class: "ux-name", title: name }, name.split("/").pop()));
    const label = `${ordinal(i + 1)} ${word}: ${kind}, ${list === "near_zero" ? "mean " : ""}${number(value)} (image ${name})`;
    return h("li", {}, tile(sheet, row * data.shown + i, label), ...parts);
  });
  return h("section", { class: colour, "aria-label": title + " responses" },
    h("div", { class: "ux-title" }, h("b", {}, title), h("span", { class: "ux-caption" }, caption(unit.strip)),
      h("span", { class: "ux-mean" }, ...(mean === null ? ["none"] : [`mean of these ${images.length} `, h("b", {}, number(mean))]))),
    h("ol", { class: unit.strip ? "ux-strip" : "ux-list" }, ...entries));
}

// The largest shares f_c, each with a tick at the class's share of all images, which no preference gives.
function bars(data, unit, row) {
  const [title, colour, list, word] = STRIPS[row], end = unit[list], most = data.largest_share;
  const rows = end.bars.map(([c, share]) => {
    const kind = readable(data.classes[c]), chance = data.chance[c];
    const fill = h("span", { class: "ux-fill" }), tick = h("span", { class: "ux-tick" });
    fill.style.width = (100 * share) / most + "%";
    tick.style.left = (100 * Math.min(chance, most)) / most + "%";
    return h("li", { title: `${kind}: ${percent(share)}; ${percent(chance)} of all images` },
      h("span", { class: "ux-class" }, kind), h("span", { class: "ux-track" }, fill, tick), h("b", {}, percent(share)));
  });
  const side = list === "top" ? "above" : "below";
  return h("section", { class: colour, "aria-label": `classes of the ${word} responses` },
    h("div", { class: "ux-title" }, h("b", {}, "Classes"), h("span", { class: "ux-caption" }, `of the ${Math.min(100, end.kept)} ${word}`)),
    rows.length ? h("ul", { class: "ux-bars" }, ...rows) : h("p", { class: "ux-bars ux-muted" }, `no response ${side} zero`));
}

// The patches taken apart: a picture each, with its part of what the patches differ in.
function components(data, unit) {
  const { address, explained } = unit.components;
  const sheet = { address, columns: 8, rows: 1 };
  const tiles = explained.map((part, i) => h("li", {},
    tile(sheet, i, `independent component ${i + 1} of ${data.layer} unit ${unit.unit}: ${percent(part)} of the variance`),
    h("b", {}, percent(part))));
  return h("section", { class: "ux-near ux-components", "aria-label": "independent components" },
    h("div", { class: "ux-title" }, h("b", {}, "Components"),
      h("span", { class: "ux-caption" }, "of its 100 strongest patches in grey; below: part of their variance")),
    tiles.length ? h("ol", { class: "ux-strip" }, ...tiles) : h("p", { class: "ux-strip ux-muted" }, "none: the patches are alike, or there are none"));
}

// Classes and what they are kinds of, the letters the larger the larger the share; numbers for those who cannot see that.
function cloud(data, unit) {
  const words = unit.cloud.map(([word, share]) => {
    const [name, chance, holds] = data.words[word], kind = holds > 1;
    const says = `${percent(share)}; ${kind ? `a kind of ${holds} classes, ` : ""}${percent(chance)} of all images`;
    const item = h("li", { class: kind ? "ux-kind" : "", title: `${readable(name)}: ${says}` }, readable(name),
      h("span", { class: "ux-unseen" }, `: ${says}`));
    item.style.fontSize = `${(0.75 + Math.sqrt(share)).toFixed(2)}rem`;
    return item;
  });
  const room = "ux-cloud" + (data.units.some(other => other.cloud.length > 14) ? " ux-many" : "");
  return h("section", { class: "ux-near ux-words", "aria-label": "words for the strongest responses" },
    h("div", { class: "ux-title" }, h("b", {}, "Words"),
      h("span", { class: "ux-caption" }, "the larger, the more of the 100 strongest; italic: what classes are kinds of")),
    words.length ? h("ul", { class: room }, ...words) : h("p", { class: room + " ux-muted" }, "no response above zero"));
}

function responses(data, unit) {
  const scale = `A class's share is weighted by response. A full bar is ${percent(data.largest_share)}, the largest share `
    + "in this layer; the mark | is the class's share of all images.";
  return [h("div", { class: "ux-strips" }, ...STRIPS.map((_, row) => strip(data, unit, row)),
    ...(unit.components ? [components(data, unit)] : [])),
    h("div", { class: "ux-ends" }, bars(data, unit, 0), bars(data, unit, 2)), h("p", { class: "ux-muted ux-scale" }, scale),
    ...(data.words.length ? [cloud(data, unit)] : [])];
}

// --- one explorer ---------------------------------------------------------------------------------

const HELP = "Find takes a unit's number, or a class among its strongest. Arrow keys move.";
const NONE = "none"; // of a unit without a colour

function found(best, others) {
  const units = (n, more) => `${n}${more} ${n === 1 ? "unit" : "units"}`;
  const first = best ? `Top class of ${units(best, "")}` : "Top class of no unit";
  const then = others ? `${best ? ", shown first" : ""}; among the other classes of ${units(others, best ? " more" : "")}` : "";
  return first + then + ".";
}

function mount(root, data) {
  const $ = selector => root.querySelector(selector);
  const units = data.units, slider = $(".ux-slider"), search = $(".ux-filter input"), sorting = $(".ux-sort select");
  const colouring = $(".ux-colour select"), colours = data.indexes.find(index => index.key === "color")?.words;
  const ofUnits = units.map(({ unit }) => colours?.[unit]); // no unit of a layer without colours has one
  const colourNames = colours ? [...new Set(ofUnits)].sort((a, b) => (a === NONE) - (b === NONE) || (a < b ? -1 : 1)) : [];
  const link = $(".ux-link"), shelf = $(".ux-shelf"), [above, below] = root.querySelectorAll(".ux-body");
  const linked = data.linked && linkable(root);
  // `order`: places in `units`, as found and sorted; `position` in it; `current`: the place shown, kept when nothing is found.
  let order = [], position = 0, current = units.findIndex(unit => unit.unit === data.start);

  begin(root);
  root.dataset.layer = data.layer;

  // #LAYER-UNIT, or #STUDY/LAYER-UNIT where the page shows this layer more than once.
  const full = data.study + "/" + data.layer;
  function address(unit) {
    const same = [...document.querySelectorAll(".unit-explorer")].filter(other => other.dataset.layer === data.layer);
    return "#" + encodeURI(same.length > 1 ? full : data.layer) + "-" + unit.unit;
  }
  const placeOf = text => units.findIndex(({ unit }) => text === `${data.layer}-${unit}` || text === `${full}-${unit}`);
  // For other views on the page: the address of a unit that is among those shown here, and a way to it.
  root.unitAt = (study, layer, unit) => {
    const place = study === data.study ? placeOf(`${layer}-${unit}`) : -1;
    return place < 0 ? null : { address: address(units[place]), open: () => open(place) };
  };
  function refreshLink() { link.href = address(units[current]); }

  function show() {
    current = order[position];
    const unit = units[current];
    slider.value = position;
    slider.setAttribute("aria-valuetext", "unit " + unit.unit);
    $(".ux-status").textContent = `${data.layer}, unit ${unit.unit}`;
    above.replaceChildren(
      h("div", { class: "ux-summary" }, pictures(data, unit, current), ranks(data, unit), tuning(data, unit)),
      ...(data.indexes.length ? [indexes(data, unit)] : []));
    below.replaceChildren(...responses(data, unit));
    for (const cell of shelf.children) cell.classList.toggle("ux-current", +cell.dataset.place === current);
    const cell = shelf.querySelector(".ux-current");
    if (cell) shelf.scrollTop = cell.offsetTop - shelf.offsetTop - shelf.clientHeight / 2 + cell.offsetHeight / 2;
    refreshLink();
  }

  function go(to) {
    if (!order.length) return;
    position = Math.min(Math.max(to, 0), order.length - 1);
    show();
    count();
    // A sandboxed frame refuses; the explorer works without.
    if (linked) try { history.replaceState(history.state, "", link.href); } catch { /* as said */ }
  }

  function count() {
    const all = units.length;
    $(".ux-count").textContent = `${position + 1} of ${order.length}` + (order.length < all ? ` found, ${all} in all` : "");
    // What was shown before keeps its room, so that the page stays where it is, but nobody sees or hears it.
    $(".ux-on").classList.toggle("ux-nothing", !order.length);
    if (!order.length) {
      $(".ux-status").textContent = "No unit matches" + (search.value.trim() && ` \u201c${search.value.trim()}\u201d`)
        + (colouring.value && `, colour ${colouring.value}`);
      shelf.querySelector(".ux-current")?.classList.remove("ux-current");
    }
    $(".ux-previous").disabled = position <= 0;
    $(".ux-next").disabled = position >= order.length - 1;
  }

  // What units are sorted by, a number for each unit of the layer; colours by their names, none last.
  function sortedBy(key) {
    if (key === "color") return colours.map(name => (name === NONE ? null : colourNames.indexOf(name)));
    return data[key] ?? data.indexes.find(index => index.key === key).values;
  }

  function arrange() {
    const wanted = search.value.trim().toLowerCase(), key = sorting.value, colour = colouring.value;
    const direction = ["unit", "lowest", "color"].includes(key) ? 1 : -1;
    const values = key === "unit" ? null : sortedBy(key);
    const rank = place => (values ? values[units[place].unit] ?? direction * Infinity : units[place].unit);
    const named = c => [data.classes[c], readable(data.classes[c])].some(name => name.toLowerCase().includes(wanted));
    const byClass = wanted && !/^\d+$/.test(wanted);
    // 0: the unit itself, or its top class; 1: another of the classes drawn; -1: not found.
    const tier = unit => (byClass ? Math.min(1, unit.top.bars.findIndex(([c]) => named(c))) : !wanted || unit.unit === +wanted ? 0 : -1);
    const sorted = units.map((_, place) => place).sort((a, b) => direction * (rank(a) - rank(b)) || units[a].unit - units[b].unit);
    const coloured = sorted.filter(place => !colour || colours[units[place].unit] === colour);
    const [best, others] = [0, 1].map(wants => coloured.filter(place => tier(units[place]) === wants));
    order = [...best, ...others];
    $(".ux-note").textContent = byClass && order.length
      ? found(best.length, others.length) + (colour && ` Only those of colour ${colour} count.`) : HELP;
    const among = new Set(order);
    if (data.sheets.length) shelf.replaceChildren(...sorted.map(place => {
      const cell = tile(data.sheets[0], place, "unit " + units[place].unit);
      cell.dataset.place = place;
      cell.classList.toggle("ux-other", !among.has(place));
      return cell;
    }));
    slider.max = Math.max(0, order.length - 1);
    slider.disabled = !order.length;
    // A search starts at its best; without one the unit shown stays, if it has the colour.
    position = wanted ? 0 : Math.max(0, order.indexOf(current));
    if (order.length) show();
    count();
  }

  function open(place) {
    if (!order.includes(place)) { search.value = colouring.value = ""; arrange(); }
    position = order.indexOf(place);
    show();
    count();
    root.scrollIntoView();
  }

  slider.addEventListener("input", () => go(+slider.value));
  $(".ux-previous").addEventListener("click", () => go(position - 1));
  $(".ux-next").addEventListener("click", () => go(position + 1));
  search.addEventListener("input", arrange);
  colouring.addEventListener("change", () => { arrange(); go(position); });
  sorting.addEventListener("change", () => { arrange(); go(0); });
  shelf.addEventListener("click", event => {
    const to = order.indexOf(+(event.target.dataset.place ?? -1));
    if (to >= 0) go(to);
  });
  root.addEventListener("keydown", event => {
    if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { ArrowLeft: position - 1, ArrowRight: position + 1, Home: 0, End: order.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    // A notebook has shortcuts of its own on these keys.
    event.stopPropagation();
    go(to);
  });
  root.addEventListener("focusin", refreshLink);
  root.addEventListener("pointerenter", refreshLink);

  sorting.append(...data.indexes.map(({ key, name }) => h("option", { value: key }, name)));
  colouring.append(...colourNames.map(name =>
    h("option", { value: name }, `${name} (${ofUnits.filter(other => other === name).length})`)));
  $(".ux-colour").hidden = !colours;
  $(".ux-says").hidden = !data.indexes.length;
  $(".ux-says dl").append(...data.indexes.flatMap(({ name, says }) => [h("dt", {}, name), h("dd", {}, says)]),
    h("dt", {}, "by luck"), h("dd", {}, "what a unit gets that ignores classes"));
  if (data.words.length) $(".ux-says dl").append(h("dt", {}, "words"), h("dd", {},
    "of classes, and of what they are kinds of, the at most 20 that tell most of its 100 strongest images, in bits"));
  $(".ux-bar").hidden = units.length < 2;
  $(".ux-note").hidden = $(".ux-count").hidden = units.length < 2;
  shelf.hidden = units.length < 2 || !data.sheets.length;
  link.hidden = !linked;
  if (data.missing) $(".ux-on").append(h("p", { class: "ux-muted ux-missing" }, data.missing));
  arrange();
  if (linked) followAddress(() => { if (placeOf(hashText()) >= 0) open(placeOf(hashText())); });
}
