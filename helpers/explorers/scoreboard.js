// The scoreboard: a row a claim, a column a study, in groups of papers that open and close.

const SIGNS = { // by verdict: a name for the style, a drawing that needs no colour, and a short word
  "holds": ["holds", "M12 55 40 84 90 18", "hold"],
  "does not hold": ["fails", "M16 16 84 84M84 16 16 84", "do not"],
  "is not decided": ["open", "M8 62Q29 22 50 50T92 38", "undecided"],
  "cannot be tested here": ["none", "M50 28a22 22 0 1 0 .1 0Z", "untestable"],
};
const DISAGREE = "studies disagree", BEYOND = "holds beyond its control", WEAK = "holds, but less, or not clearly more, than in its control";
const beyond = found => found.verdict === "holds" && found.beside_control === "more";
const weak = found => found.verdict === "holds" && found.beside_control !== null && !beyond(found);
const unseen = text => h("span", { class: "ux-unseen" }, text);
const ON_LINE = "M14 38 38 60 88 6M8 92H92"; // a tick on a line: it holds, but perhaps so does the control
const drawn = Object.fromEntries(Object.entries(SIGNS).map(([verdict, [name, path]]) =>
  [verdict, h("span", { class: `sb-sign sb-${name}` }, svg(`<path d="${path}"/>`))]));
const sign = verdict => drawn[verdict].cloneNode(true);
const signOf = found => (weak(found) ? h("span", { class: "sb-sign sb-weak" }, svg(`<path d="${ON_LINE}"/>`)) : sign(found.verdict));
const said = found => (weak(found) ? `holds, but ${found.beside_control} than in its control` : found.verdict);
const controlOf = (found, claim) => found.measured === null ? "" : found.null !== null ? `control ${found.null}`
  : claim.control.startsWith("none") ? "" : "control not measured";
const chapter = page => readable(page.replace(".html", "")).replaceAll("-", " ").replace(/^./, letter => letter.toUpperCase());
const claimsOf = n => `${n} ${n === 1 ? "claim" : "claims"}`;
const group = paper => paper.replace(/b$/, "");

// --- one row --------------------------------------------------------------------------------------

function cell(found, study, claim) {
  const { measured, words } = found, verdict = said(found);
  const says = `${verdict}: ${[measured, controlOf(found, claim), words].filter(Boolean).join("; ")}`;
  const value = measured === null ? [unseen(verdict)] : [unseen(verdict + ": "), h("b", {}, measured.split(" (")[0]),
    ...(found.null === null ? [] : [h("span", { class: "sb-control ux-muted" }, unseen("control "), `vs ${found.null}`)])];
  return h("td", { role: "cell", "data-study": study.title, title: `${study.title}: ${says}` }, signOf(found), ...value);
}

function tally(cells, study, verdicts) {
  const numbers = verdicts.map(verdict => cells.filter(one => one.verdict === verdict).length);
  const parts = verdicts.map((verdict, i) => [verdict, numbers[i]]).filter(([, n]) => n);
  const bar = h("span", { class: "sb-bar", "aria-hidden": "true" }, ...parts.map(([verdict, n]) => {
    const part = h("span", { class: `sb-${SIGNS[verdict][0]}` });
    part.style.flexGrow = n;
    return part;
  }));
  const counted = parts.map(([verdict, n]) => h("span", {}, sign(verdict), `${n}`, unseen(` ${SIGNS[verdict][2]}, `)));
  const says = parts.map(([verdict, n]) => `${n} ${SIGNS[verdict][2]}`).join(", ");
  return h("td", { role: "cell", "data-study": study.title, title: `${study.title}: ${says}` }, bar, h("span", { class: "sb-tally" }, ...counted));
}

function details(claim, data, linked) {
  const pair = (what, text) => [h("dt", {}, what), h("dd", {}, text)];
  const found = claim.cells.map((one, i) => {
    const numbers = one.measured === null ? "" : ` ${[one.measured, controlOf(one, claim)].filter(Boolean).join(", ")}`;
    return h("li", {}, signOf(one), h("b", {}, data.studies[i].title), ` ${said(one)}`, h("b", {}, numbers), `. ${one.words}.`);
  });
  const { section } = claim;
  const where = section && (linked
    ? h("a", { href: `${section.page}#${section.anchor}` }, `${chapter(section.page)}: ${section.title}`)
    : `${chapter(section.page)}: ${section.title}`);
  return h("div", {}, h("dl", {}, ...pair("Holds if", claim.rule), ...pair("Control", claim.control),
    ...(claim.changed ? pair("Changed since", claim.changed) : []),
    ...(where ? pair("Figure in", where) : []), ...pair("Name", h("code", {}, claim.id))),
    h("ul", {}, ...found), ...(linked ? [h("p", {}, h("a", { href: `#claim=${claim.id}` }, "link to this claim"))] : []));
}

// --- the table to take away -----------------------------------------------------------------------

function allRows(data) {
  return data.claims.flatMap(({ cells, section, ...claim }) => cells.map((one, i) => {
    const { interval, ...found } = one, [low, high] = interval ?? [null, null];
    return { ...claim, study: data.studies[i].name, ...found, low, high };
  }));
}

function asCsv(rows) {
  const field = value => (value === null ? "" : /[",\n]/.test(value) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`);
  return [Object.keys(rows[0]), ...rows.map(Object.values)].map(row => row.map(field).join(",") + "\n").join("");
}

function save(text, name, kind) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: kind })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

// --- one board ------------------------------------------------------------------------------------

function mount(root, data) {
  const $ = selector => root.querySelector(selector);
  const search = $(".ux-filter input"), showing = $(".sb-verdict select"), on = $(".sb-study select"), all = $(".sb-all");
  begin(root);
  const linked = linkable(root), { studies, verdicts } = data;
  const groups = [...new Set(data.claims.map(claim => group(claim.paper)))].map(paper => ({
    paper, open: false, claims: data.claims.filter(claim => group(claim.paper) === paper).map(claim => ({ claim, open: false })),
  }));

  const row = (kind, ...cells) => h("tr", { role: "row", class: kind }, ...cells);
  const head = (...parts) => h("th", { role: "rowheader", scope: "row" }, ...parts);
  const toggle = (kind, ...parts) => h("button", { type: "button", class: kind, "aria-expanded": "false" }, ...parts);
  const tallies = claims => studies.map((study, i) => tally(claims.map(claim => claim.cells[i]), study, verdicts));

  function bodyOf(one) {
    const of = Object.keys(data.papers).filter(paper => group(paper) === one.paper);
    const [title, authors] = data.papers[one.paper] ?? ["", ""];
    one.button = toggle("sb-group", h("b", {}, of.length > 1 ? `Papers ${of.join(" and ")}` : of.length ? `Paper ${one.paper}` : one.paper), ` ${claimsOf(one.claims.length)}`);
    one.head = row("sb-paper", head(one.button, h("span", { class: "ux-muted sb-title" }, authors && `${authors}: ${title}`)), ...tallies(one.claims.map(item => item.claim)));
    one.button.addEventListener("click", () => { one.open = !one.shown; refresh(); });
    const rows = one.claims.flatMap(item => {
      const { claim } = item;
      item.button = toggle("sb-claim", claim.statement);
      item.row = row("sb-row", head(item.button, h("span", { class: "ux-muted sb-title" }, `${claim.paper}, ${claim.place}`)),
        ...claim.cells.map((found, i) => cell(found, studies[i], claim)));
      item.detail = row("sb-detail", h("td", { role: "cell", colspan: studies.length + 1 }));
      item.text = [claim.id, `paper ${claim.paper}`, claim.place, claim.statement, claim.rule, claim.control, claim.changed].join(" ").toLowerCase();
      item.button.addEventListener("click", () => { item.open = !item.open; refresh(); });
      return [item.row, item.detail];
    });
    return h("tbody", { role: "rowgroup" }, one.head, ...rows);
  }

  function wanted({ claim, text }) {
    if (!search.value.trim().toLowerCase().split(/\s+/).every(word => text.includes(word))) return false;
    const verdict = showing.value, cells = on.value ? [claim.cells[on.value]] : claim.cells;
    const has = one => cells.some(found => found.verdict === one);
    if (verdict === BEYOND) return cells.some(beyond);
    if (verdict === DISAGREE) return ["holds", "does not hold"].every(one => claim.cells.some(found => found.verdict === one));
    return !verdict || has(verdict);
  }

  function refresh() {
    const active = Boolean(search.value.trim() || showing.value);
    let shown = 0;
    for (const one of groups) {
      const found = one.claims.filter(wanted);
      one.head.hidden = active && !found.length;
      one.shown = active ? found.length > 0 : one.open;
      one.button.setAttribute("aria-expanded", one.shown);
      one.button.disabled = active;
      for (const item of one.claims) {
        const visible = one.shown && found.includes(item);
        shown += visible;
        item.row.hidden = !visible;
        item.detail.hidden = !(visible && item.open);
        item.button.setAttribute("aria-expanded", item.open);
        if (item.open && !item.detail.firstChild.firstChild) item.detail.firstChild.append(details(item.claim, data, linked));
      }
    }
    on.disabled = !showing.value || showing.value === DISAGREE;
    on.title = !showing.value ? "Choose a verdict under Show first" : showing.value === DISAGREE ? "All studies are compared" : "";
    all.disabled = active;
    const open = groups.every(one => one.open);
    all.textContent = open ? "Close all" : "Open all";
    all.setAttribute("aria-expanded", open);
    const count = `${shown} of ${data.claims.length} claims shown.`;
    $(".sb-status").textContent = active ? (shown ? count : "No claim matches.") : shown ? count + " A claim opens to its rule, its control and its figure."
      : "Open a paper to see its claims, or search. To look at one study, first choose a verdict under Show.";
  }

  function openClaim(id) {
    for (const one of groups) for (const item of one.claims) if (item.claim.id === id) {
      search.value = showing.value = "";
      one.open = item.open = true;
      refresh();
      item.row.scrollIntoView({ block: "center" });
      item.button.focus({ preventScroll: true });
    }
  }

  const column = study => h("th", { role: "columnheader", scope: "col", title: study.says }, study.title);
  const table = h("table", { role: "table", "aria-label": "claims by study" },
    h("thead", { role: "rowgroup" }, row("", h("th", { role: "columnheader", scope: "col" }, "Claim"), ...studies.map(column))),
    h("tbody", { role: "rowgroup" }, row("sb-paper", head(h("b", {}, "All papers"), ` ${claimsOf(data.claims.length)}`), ...tallies(data.claims))),
    ...groups.map(bodyOf));
  $(".sb-scroll").append(table);
  root.style.setProperty("--sb-studies", studies.length);
  root.classList.toggle("sb-wide", studies.length > 7);
  if (studies.length > 7) for (const [name, value] of [["tabindex", 0], ["role", "region"], ["aria-label", "claims by study"]]) $(".sb-scroll").setAttribute(name, value);
  // Names of columns stay in sight on the book's own pages, whose ground is known.
  root.classList.toggle("sb-sticky", studies.length <= 7 && Boolean(getComputedStyle(root).getPropertyValue("--pst-color-background")));
  $(".sb-legend").append(...verdicts.map(verdict => h("span", {}, sign(verdict), " " + verdict)), h("span", {}, signOf({ verdict: "holds", beside_control: "less" }), " " + WEAK),
    h("span", {}, "vs: the same in the control"));
  showing.append(...[verdicts[0], BEYOND, ...verdicts.slice(1), DISAGREE].map(one => h("option", { value: one }, one)));
  on.append(...studies.map((study, i) => h("option", { value: i }, study.title)));
  $(".sb-columns dl").append(...studies.flatMap(study => [h("dt", {}, study.title),
    h("dd", {}, `${study.says}. `, h("span", { class: "ux-muted" }, `Study ${study.name}; network ${study.network.name} (${study.network.weights}); `
      + `${study.images.number} images, list ${study.images.digest}; measured ${study.with_pictures ? "with" : "without"} network and images at hand.`))]));

  search.addEventListener("input", refresh);
  showing.addEventListener("change", refresh);
  on.addEventListener("change", refresh);
  all.addEventListener("click", () => { const open = !groups.every(one => one.open); for (const one of groups) one.open = open; refresh(); });
  for (const button of root.querySelectorAll(".sb-take button")) button.addEventListener("click", () => {
    const rows = allRows(data), json = button.dataset.kind === "json";
    save(json ? JSON.stringify(rows, null, 1) + "\n" : asCsv(rows), `scoreboard.${button.dataset.kind}`, json ? "application/json" : "text/csv");
  });
  // Up and down go from row to row; Tab, Enter and Space are the browser's own.
  table.addEventListener("keydown", event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !event.target.matches("button")) return;
    const buttons = [...table.querySelectorAll("button:not(:disabled)")].filter(one => one.offsetParent);
    event.preventDefault();
    event.stopPropagation(); // a notebook has shortcuts of its own on these keys
    buttons[buttons.indexOf(event.target) + step]?.focus();
  });
  refresh();
  if (linked) followAddress(() => { if (hashText().startsWith("claim=")) openClaim(hashText().slice(6)); });
}
