// The page of aedetect: lanes, filters and lines. Texts are set as text, never as markup.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (query, root = document) => root.querySelector(query);
const $$ = (query, root = document) => [...root.querySelectorAll(query)];
const svgElement = (name, attributes = {}) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const element = (name, attributes = {}, text = "") => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
};
const FEW = 25, LANE = 18, GAP = 3, AXIS = 18;  // lanes at first; pixels
const PAPER = 540;  // pixels, about what a sheet has beside the names
const MARKED = 150;  // events on the overall lane, the most severe
const SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LEVELS = ["as in most normal cells", "as in 1 of 10 normal cells", "1 of 100", "1 of 1,000", "1 of 10,000", "1 of a million"];
const SEVERITIES = ["info", "warning", "critical"];

// ---- lanes
const place = $("#chart-lanes"), lanes = data.lanes;
let filter = { lane: null, from: null, until: null, severity: "" };
let cursor = null, anchor = null, every = false;

function oddsOf(sign) {
  if (sign === ".") return "no rows";
  if (sign === "-") return "no row was scored";
  const p = 10 ** (-SIGNS.indexOf(sign) / 2);
  return `rarest row about as rare as 1 in ${Number((1 / p).toPrecision(2)).toLocaleString("en")}`;
}
const rowsShown = () => [lanes.overall, ...lanes.lanes.slice(0, every ? undefined : FEW)];
const topOf = (row) => row * (LANE + GAP);

function pathsOf(level, y, width, box) {
  const parts = {};
  for (let at = 0; at < level.length;) {
    let end = at + 1;
    while (end < level.length && level[end] === level[at]) end += 1;
    if (level[at] !== ".") {
      const x = (at * width).toFixed(1), w = Math.max((end - at) * width - 0.4, 0.6).toFixed(1);
      (parts[level[at]] ||= []).push(`M${x} ${y}h${w}v${LANE}h-${w}z`);
    }
    at = end;
  }
  for (const [sign, path] of Object.entries(parts))
    box.append(svgElement("path", { class: `c${sign}`, d: path.join("") }));
}

function pattern(id, kind) {
  const made = svgElement("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: kind === "unscored" ? "rotate(45)" : "rotate(-45)" });
  made.append(svgElement("line", { x1: 0, y1: 0, x2: 0, y2: 5, style: `stroke:var(${kind === "unscored" ? "--dim" : "--known"});stroke-width:${kind === "unscored" ? 1 : 2}` }));
  return made;
}

function drawLanes(printing = false) {
  if (!lanes) return;
  const rows = rowsShown(), focused = document.activeElement?.id === "lanes-plot";
  place.replaceChildren();
  place.style.setProperty("--lane", `${LANE}px`);
  const names = element("div", { class: "names", role: "group", "aria-label": "Entities" });
  names.style.gap = `${GAP}px`;
  rows.forEach((row, at) => {
    const name = element("button", { type: "button", title: row.name, "aria-pressed": String(filter.lane === at - 1 && at > 0) });
    name.append(element("bdi", {}, row.name));
    name.addEventListener("click", () => apply({ ...filter, lane: at === 0 || filter.lane === at - 1 ? null : at - 1 }));
    names.append(name);
  });
  place.append(names);
  const holder = element("div", { id: "lanes-plot", tabindex: "0", role: "application", "aria-label": "Swim lanes: rarest row by entity and time", "aria-describedby": "cell" });
  place.append(holder);
  const total = printing ? PAPER : Math.max(holder.clientWidth, 120), width = total / lanes.cells, height = topOf(rows.length) + AXIS;
  const plot = svgElement("svg", { viewBox: `0 0 ${total} ${height}`, height, preserveAspectRatio: "none", "aria-hidden": "true" });
  const defs = svgElement("defs");
  defs.append(pattern("unscored", "unscored"), pattern("planned", "planned"));
  plot.append(defs);
  rows.forEach((row, at) => pathsOf(row.level, topOf(at), width, plot));
  const has = (lane) => lane + 1 < rows.length;
  const box = (lane, from, until, attributes, top = 0, size = LANE, least = 1.5) => svgElement("rect", {
    x: Math.min(from * width, total - least).toFixed(1), y: topOf(lane + 1) + top, width: Math.max((until - from) * width, least).toFixed(1), height: size, ...attributes });
  for (const [lane, from, until, reason] of lanes.maintenance) {
    const all = lane < 0, mark = box(all ? 0 : lane, from, until, { fill: "url(#planned)" });
    if (!all && !has(lane)) continue;
    if (all) { mark.setAttribute("y", 0); mark.setAttribute("height", topOf(rows.length)); }
    const title = svgElement("title");
    title.textContent = `planned work: ${reason}`;
    mark.append(title);
    plot.append(mark);
  }
  const together = {};
  for (const [at, [lane, from, until, severity, id, incident]] of [...lanes.events.entries()].reverse()) {
    if (at < MARKED) plot.append(box(-1, from, until, { class: `mark s${severity}` }, LANE - 4, 4, 3));
    if (!has(lane)) continue;
    plot.append(box(lane, from, until, { class: `mark s${severity}`, "data-event": id }, LANE - 6, 6, 4));
    if (incident && severity > 0) (together[incident] ||= []).push([lane, from]);
  }
  for (const [lane, from, until] of lanes.known)
    if (has(lane)) plot.append(box(lane, from, until, { class: "known" }, 0, 3, 3));
  for (const marks of Object.values(together)) {
    const from = Math.min(...marks.map((each) => each[1])) * width, own = marks.map((each) => each[0] + 1);
    if (own.length > 1) plot.append(svgElement("path", { class: "incident", d: `M${from.toFixed(1)} ${topOf(Math.min(...own)) + LANE / 2}V${topOf(Math.max(...own)) + LANE / 2}` }));
  }
  const wide = Math.max(Math.floor(total / 70), 1), skip = Math.ceil(lanes.ticks.length / wide);
  lanes.ticks.forEach(([cell, text], at) => {
    if (at % skip) return;
    const x = cell * width, label = svgElement("text", { x: x.toFixed(1), y: height - 4 });
    if (x > total - 60) label.setAttribute("text-anchor", "end");
    label.textContent = text;
    plot.append(label);
  });
  const from = lanes.times.indexOf(filter.from ?? ""), until = lanes.times.indexOf(filter.until ?? "");
  if (from >= 0 && until > from)
    plot.append(svgElement("rect", { class: "selected", x: from * width, width: (until - from) * width,
      y: filter.lane === null ? 0 : topOf(filter.lane + 1), height: filter.lane === null ? topOf(rows.length) - GAP : LANE }));
  holder.append(plot);
  if (lanes.lanes.length > FEW) {
    const more = element("button", { type: "button", id: "more-lanes" }, every ? `Show the ${FEW} worst` : `Show all ${lanes.lanes.length} lanes`);
    more.addEventListener("click", () => { every = !every; drawLanes(); $("#more-lanes").focus(); });
    place.append(more);
  }
  handle(holder, plot, rows, width);
  if (cursor) showCursor(plot, rows, width);
  if (focused) holder.focus();
}

function describe(rows, row, from, until) {
  const first = rows[row], time = `${lanes.times[from]} to ${lanes.times[until]}`.replaceAll("T", " ");
  const rarest = [...first.p.slice(from, until)].reduce((a, b) => (SIGNS.indexOf(b) > SIGNS.indexOf(a) ? b : a));
  const count = lanes.events.filter(([lane, begin, end]) => (row === 0 || lane === row - 1) && begin < until && end >= from).length;
  $("#cell").textContent = `${first.name}, ${time}: ${oddsOf(rarest)}; ${count} event${count === 1 ? "" : "s"}`;
}

function showCursor(plot, rows, width) {
  $(".cursor", plot)?.remove();
  const from = Math.min(cursor.cell, anchor ?? cursor.cell), until = Math.max(cursor.cell, anchor ?? cursor.cell) + 1;
  plot.append(svgElement("rect", { class: "cursor", x: from * width, y: topOf(cursor.row), width: Math.max((until - from) * width, 2), height: LANE }));
  describe(rows, cursor.row, from, until);
  return [from, until];
}

function choose(row, from, until) {
  apply({ ...filter, lane: row === 0 ? null : row - 1, from: lanes.times[from], until: lanes.times[until] });
}

function handle(holder, plot, rows, width) {
  const at = (event) => {
    const bounds = plot.getBoundingClientRect(), scale = (width * lanes.cells) / bounds.width;
    return {
      cell: Math.min(Math.max(Math.floor(((event.clientX - bounds.left) * scale) / width), 0), lanes.cells - 1),
      row: Math.min(Math.max(Math.floor((event.clientY - bounds.top) / (LANE + GAP)), 0), rows.length - 1),
    };
  };
  let begun = null;
  plot.addEventListener("pointerdown", (event) => { begun = at(event); plot.setPointerCapture(event.pointerId); });
  plot.addEventListener("pointercancel", () => { begun = null; });
  plot.addEventListener("pointermove", (event) => {
    const now = at(event);
    cursor = begun ? { row: begun.row, cell: now.cell } : now;
    anchor = begun ? begun.cell : null;
    showCursor(plot, rows, width);
  });
  plot.addEventListener("pointerleave", () => { if (!begun) { cursor = null; $(".cursor", plot)?.remove(); } });
  plot.addEventListener("pointerup", (event) => {
    if (!begun) return;
    const now = at(event), row = now.row === begun.row ? begun.row : 0;
    const from = Math.min(begun.cell, now.cell), until = Math.max(begun.cell, now.cell) + 1;
    begun = cursor = anchor = null;
    choose(row, from, until);
  });
  holder.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -lanes.cells], End: [0, lanes.cells] };
    if (event.key === "Escape") { cursor = anchor = null; apply({ lane: null, from: null, until: null, severity: "" }); return; }
    if (event.key === "Enter" || event.key === " ") {
      if (!cursor) return;
      event.preventDefault();
      const range = showCursor(plot, rows, width);
      choose(cursor.row, ...range);
      return;
    }
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const before = cursor ?? { row: 0, cell: -1 };
    anchor = event.shiftKey ? anchor ?? Math.max(before.cell, 0) : null;
    cursor = {
      row: Math.min(Math.max(before.row + move[0], 0), rows.length - 1),
      cell: Math.min(Math.max(before.cell + move[1], 0), lanes.cells - 1),
    };
    showCursor(plot, rows, width);
  });
}

function drawLegend() {
  const legend = $("#legend");
  const sample = (attributes, text, size = 12, top = 0) => {
    const one = element("span"), image = svgElement("svg", { viewBox: "0 0 16 12" });
    image.append(svgElement("rect", { x: 0, y: top, width: 16, height: size, ...attributes }));
    one.append(image, text);
    legend.append(one);
  };
  LEVELS.forEach((text, level) => sample({ class: `c${level}` }, text));
  sample({ class: "c-" }, "not scored");
  SEVERITIES.forEach((text, level) => sample({ class: `mark s${level}` }, `${text} event`, 6, 6));
  if (lanes.known.length) sample({ class: "known" }, "labelled anomaly", 3);
  if (lanes.maintenance.length) sample({ fill: "url(#planned)" }, "planned work");
}

// ---- filter
const form = $("#filter");

function apply(next) {
  filter = next;
  form.elements.lane.value = filter.lane ?? "";
  form.elements.from.value = filter.from ?? "";
  form.elements.until.value = filter.until ?? "";
  form.elements.severity.value = filter.severity;
  const least = SEVERITIES.indexOf(filter.severity);
  for (const each of $$("[data-lane]")) {
    const own = each.dataset, lane = filter.lane === null || Number(own.lane) === filter.lane;
    const time = !own.start || ((!filter.from || own.end >= filter.from) && (!filter.until || own.start < filter.until));
    const severe = !own.severity || SEVERITIES.indexOf(own.severity) >= least;
    each.hidden = !(lane && time && severe);
  }
  const cards = $$(".event"), shown = cards.filter((each) => !each.hidden);
  const narrowed = filter.lane !== null || filter.from || filter.until || filter.severity;
  const status = $("#shown");
  status.dataset.text ||= status.textContent;
  const whose = filter.lane === null ? "all entities" : lanes.lanes[filter.lane].name;
  const when = filter.from || filter.until ? `, ${(filter.from ?? "begin").replace("T", " ")} to ${(filter.until ?? "end").replace("T", " ")}` : "";
  status.textContent = narrowed ? `${shown.length} of ${cards.length} events shown: ${whose}${when}` : status.dataset.text;
  for (const each of $$(".together")) each.hidden = !$(".event:not([hidden])", each);
  if (narrowed) $$("#minor, .together").forEach((each) => { each.open = true; });
  if (narrowed && shown.length === 1) shown[0].open = true;
  drawLanes();
}

function readForm() {
  const own = form.elements;
  apply({ lane: own.lane.value === "" ? null : Number(own.lane.value), from: own.from.value.slice(0, 16) || null, until: own.until.value.slice(0, 16) || null, severity: own.severity.value });
}

// ---- lines
const PRINT = { fg: "#000", dim: "#333", line: "#bbb", band: "#9ec5e8", expected: "#0b57b0", observed: "#000", limit: "#a8122a", mark: "#00000014" };
const drawn = new Map();

function palette(printing) {
  if (printing) return PRINT;
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(PRINT).map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function shade(chart, color) {
  return (plot) => {
    const from = plot.valToPos(chart.from, "x", true), until = plot.valToPos(chart.to, "x", true), { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = color;
    ctx.fillRect(from, bbox.top, Math.max(until - from, 2), bbox.height);
    ctx.restore();
  };
}

function drawLine(chart, holder, printing) {
  const color = palette(printing), x = [];
  chart.steps.reduce((time, step) => { x.push(time + step); return time + step; }, chart.first);
  const points = { show: x.length <= 60, size: 4 };
  const number = (_plot, raw) => (raw === null || raw === undefined ? "" : Number(raw.toPrecision(4)).toLocaleString("en"));
  const range = (plot, _raw, _series, at) => (at === null || at === undefined ? "" : `${number(plot, plot.data[2][at])} to ${number(plot, plot.data[1][at])}`);
  const line = (label, stroke, more = {}) => ({ label, stroke, value: number, width: 1.5, points: { show: false }, spanGaps: false, ...more });
  let series, values, bands = [];
  const time = { label: "time", value: (_plot, raw) => (raw === null ? "" : new Date(raw * 1000).toISOString().slice(0, 19).replace("T", " ")) };
  if (chart.name === "score" && chart.score) {
    values = [x, chart.score, x.map(() => chart.threshold)];
    series = [time, line("score", color.observed, { points }), line("threshold", color.limit, { dash: [6, 4] })];
  } else {
    values = [x, chart.high, chart.low, chart.expected, chart.observed];
    series = [time, line("high", color.band, { width: 0.5 }), line("normal band", color.band, { width: 0.5, value: range }), line("expected", color.expected, { dash: [5, 4] }), line("observed", color.observed, { points, width: 2 })];
    bands = [{ series: [1, 2], fill: color.band + "66" }];
  }
  const known = (chart.score ?? []).filter((each) => each > 0);
  const log = known.length > 0 && known.length === chart.score.filter((each) => each !== null).length && Math.max(...known) > 30 * chart.threshold;
  const axis = { stroke: color.dim, grid: { stroke: color.line, width: 0.5 }, ticks: { stroke: color.line } };
  const span = chart.until - chart.since, when = (time) => new Date(time * 1000).toISOString();
  const clockText = (_plot, ticks) => ticks.map((time, at) => {
    const text = when(time), day = text.slice(5, 10);
    if (span > 5 * 86400) return day;
    const clock = text.slice(11, span < 600 ? 19 : 16);
    return at === 0 || when(ticks[at - 1]).slice(5, 10) !== day ? `${clock}\n${day}` : clock;
  });
  drawn.get(holder)?.destroy();
  holder.replaceChildren();
  const made = new uPlot({
    width: Math.max(holder.clientWidth, 200), height: 170, series, bands,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    axes: [{ ...axis, values: clockText }, { ...axis, size: 60, label: chart.unit ?? undefined, labelSize: 18 }],
    scales: { x: { range: [chart.since, chart.until] }, y: log ? { distr: 3 } : {} },
    legend: { live: true }, cursor: { drag: { x: true, y: false } },
    hooks: { drawClear: [shade(chart, color.mark)] },
  }, values, holder);
  drawn.set(holder, made);
}

function drawCharts(card, printing = false) {
  const charts = data.charts[card.dataset.id];
  if (!charts || !card.open) return;
  $$(".chart", card).forEach((holder, at) => { if (charts[at]) drawLine(charts[at], holder, printing); });
}
const redraw = (printing) => $$(".event[open]").forEach((card) => drawCharts(card, printing));

function openNamed() {
  const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!card?.matches(".event")) return;
  if (card.hidden) apply({ lane: null, from: null, until: null, severity: "" });
  for (let each = card; each; each = each.parentElement?.closest("details")) each.open = true;
  card.scrollIntoView({ block: "start" });
  $("summary", card).focus({ preventScroll: true });
}

async function copy(button) {
  const code = $("code", button.parentElement), text = code.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

for (const link of $$("a[href^='#e-']"))  // of events that have no card here
  if (!document.getElementById(link.hash.slice(1))) link.replaceWith(...link.childNodes);
$$(".event").forEach((card) => card.addEventListener("toggle", () => drawCharts(card)));
$$(".event[open]").forEach((card) => drawCharts(card));
$$("button.copy").forEach((button) => button.addEventListener("click", () => copy(button)));
if (lanes) {
  form.addEventListener("change", readForm);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => apply({ lane: null, from: null, until: null, severity: "" }));
  drawLanes();
  drawLegend();
  addEventListener("hashchange", openNamed);
  addEventListener("load", () => setTimeout(openNamed));  // after the browser went there itself
}
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawLanes(); redraw(false); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(false));
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = $$(".together:not([open])");
  unfolded.forEach((each) => { each.open = true; });
  drawLanes(true);
  redraw(true);
});
addEventListener("afterprint", () => {
  unfolded.forEach((each) => { each.open = false; });
  drawLanes();
  redraw(false);
});
})();
