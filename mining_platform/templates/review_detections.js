"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const PAGE_SIZE = 60;
const WORDS = { confirm: "confirmed", reject: "false alarm", withdraw: "withdrawn" };
const STORED = `review-detections ${DATA.region} ${DATA.year} ${DATA.asset} ${DATA.seen}`;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const decisions = new Map(Object.entries(DATA.decisions));
const here = { list: DATA.places, place: null, asked: false, busy: false };

// Texts of other people go into the page as text, never as markup.
function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const areaOf = (place) => `${place.area_ha.toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 })} ha`;
function stateOf(place) {
  const decision = decisions.get(place.detection_id);
  return decision && decision.decision !== "withdraw" ? decision.decision : "open";
}

function outlined(place) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1000 1000");
  for (const className of ["halo", "ink"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", place.outline);
    path.setAttribute("class", className);
    svg.append(path);
  }
  return svg;
}

function picture(place, year, lazy) {
  const box = made("div", "picture");
  const address = place.pictures[year];
  if (address) {
    const image = made("img");
    image.alt = `${place.detection_id} in ${year}`;
    if (lazy) image.loading = "lazy";
    image.addEventListener("error", () => image.replaceWith(made("em", "", `no image of ${year}`)));
    image.src = address;
    box.append(image);
  } else {
    box.append(made("em", "", `no image of ${year}`));
  }
  box.append(outlined(place), made("span", "", DATA.maps ? `map of ${year}` : String(year)));
  return box;
}

function card(place) {
  const state = stateOf(place);
  const button = made("button", `card is-${state}`);
  const line = made("span", "line");
  line.append(made("span", "", areaOf(place)), made("b", "", { open: "", confirm: "✓ mining", reject: "✕ false" }[state]));
  button.append(picture(place, DATA.year, true), line);
  button.title = place.detection_id;
  button.dataset.place = place.detection_id;
  button.setAttribute("aria-current", String(place === here.place));
  button.addEventListener("click", () => go(place));
  return button;
}

function showCounts() {
  const count = (state) => DATA.places.filter((place) => stateOf(place) === state).length;
  const cells = [["confirmed", count("confirm")], ["false alarms", count("reject")], ["not reviewed", count("open")]];
  byId("counts").replaceChildren(...cells.map(([name, number]) => {
    const cell = made("div");
    cell.append(made("b", "", number.toLocaleString("en")), made("span", "", name));
    return cell;
  }));
}

function showList() {
  const pages = Math.max(1, Math.ceil(here.list.length / PAGE_SIZE));
  const page = here.place ? Math.floor(here.list.indexOf(here.place) / PAGE_SIZE) : 0;
  here.page = page;
  byId("page").textContent = `${here.list.length.toLocaleString("en")} places, page ${page + 1} of ${pages}`;
  byId("page-before").disabled = page === 0;
  byId("page-after").disabled = page >= pages - 1;
  const cards = here.list.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE).map(card);
  byId("thumbnails").replaceChildren(...(cards.length ? cards : [made("p", "empty", "No place matches this filter.")]));
}

function showPlace() {
  const place = here.place;
  document.querySelector("aside").hidden = place === null;
  if (!place) return;
  closeForm();
  byId("pair").replaceChildren(picture(place, DATA.year - 1, false), picture(place, DATA.year, false));
  byId("facts-area").textContent = areaOf(place);
  byId("facts-place").textContent = `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}`;
  byId("facts-side").textContent = `${(place.side_m / 1000).toFixed(1)} km a side`;
  byId("facts-id").textContent = place.detection_id;
  showStanding(place);
}

function showStanding(place) {
  const decision = decisions.get(place.detection_id);
  const state = stateOf(place);
  const box = byId("standing");
  box.className = `standing is-${state}`;
  byId("withdraw").disabled = state === "open";
  if (!decision) { box.textContent = "Not yet reviewed"; return; }
  const later = decision.also_later === true || decision.also_later === "yes" ? ", also in later years" : "";
  box.replaceChildren(made("b", "", WORDS[decision.decision] + later), document.createTextNode(` by ${decision.reviewer}`));
  if (decision.reason) box.append(document.createTextNode(`: ${decision.reason}`));
  if (decision.time) box.append(made("small", "", `${decision.time.slice(0, 16).replace("T", " ")} UTC`));
}

function filtered(keep) {
  const state = byId("filter-state").value;
  here.list = DATA.places.filter((place) => !state || stateOf(place) === state || (keep && place === here.place));
  if (!keep || !here.list.includes(here.place)) here.place = here.list[0] || null;
  showPlace();
  showList();
}

function go(place) {
  if (!place) return;
  here.place = place;
  say("");
  showPlace();
  if (Math.floor(here.list.indexOf(place) / PAGE_SIZE) !== here.page) showList();
  for (const each of document.querySelectorAll(".card")) {
    const current = each.dataset.place === place.detection_id;
    each.setAttribute("aria-current", String(current));
    if (current) each.scrollIntoView({ block: "nearest" });
  }
}
const neighbour = (step) => here.list[here.list.indexOf(here.place) + step];

function say(text, bad = false) {
  byId("message").textContent = text;
  byId("message").classList.toggle("bad", bad);
}

function reviewerOr() {
  const field = byId("reviewer");
  const name = field.value.trim();
  field.classList.toggle("missing", !name);
  if (!name) { say("Write your name first: a decision needs its reviewer.", true); field.focus(); }
  return name;
}

function ask() {
  if (!here.place || !reviewerOr()) return;
  here.asked = true;
  byId("form-reason").value = "";
  byId("form-later").checked = false;
  byId("form").hidden = false;
  byId("actions").hidden = true;
  say("");
  byId("form-reason").focus();
}

function closeForm() {
  here.asked = false;
  byId("form").hidden = true;
  byId("actions").hidden = false;
}

async function decide(decision, reason = "", later = "") {
  const reviewer = reviewerOr();
  const place = here.place;
  if (!place || !reviewer || here.busy) return;
  if (decision === "withdraw" && stateOf(place) === "open") { say("Nobody decided on this place: there is nothing to withdraw.", true); return; }
  if (decision === "reject" && !reason) { byId("form-reason").classList.add("missing"); byId("form-reason").focus(); say("Write the reason: it is kept with the decision.", true); return; }
  byId("form-reason").classList.remove("missing");
  here.busy = true;
  try {
    if (await decidedMeanwhile(place)) {
      say(`${decisions.get(place.detection_id).reviewer} decided on this place meanwhile: look at it, and decide again if you still mean to.`, true);
      return;
    }
    const kept = await keep({ detection_id: place.detection_id, decision, also_later: later, reviewer, reason });
    if (kept) decisions.set(place.detection_id, kept);
    here.place = neighbour(1) || place;
    filtered(true);
    showCounts();
    document.querySelector(".card[aria-current=true]")?.scrollIntoView({ block: "nearest" });
    say(`${WORDS[decision]}: ${place.detection_id}`);
    document.activeElement.blur();
  } catch (error) {
    say(String(error.message || error), true);
  } finally {
    here.busy = false;
  }
}

async function keep(told) {
  if (!DATA.token) return keepHere(told);
  const answer = await fetch("/decisions", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Review-Token": DATA.token },
    body: JSON.stringify(told),
  }).catch(() => { throw new Error("The server does not answer: nothing was saved. Start `mining-platform review-detections` again."); });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error || "Nothing was saved.");
  return content;
}

// Without a server: decisions wait in this browser until they are downloaded; one that only waits is withdrawn by forgetting it.
const waiting = new Map();
function keepHere(told) {
  const before = DATA.decisions[told.detection_id];
  const forgotten = told.decision === "withdraw" && waiting.has(told.detection_id) && (!before || before.decision === "withdraw");
  if (forgotten) {
    waiting.delete(told.detection_id);
    if (before) decisions.set(told.detection_id, before); else decisions.delete(told.detection_id);
  } else {
    waiting.set(told.detection_id, told);
  }
  try { localStorage.setItem(STORED, JSON.stringify([...waiting.values()])); } catch { /* the download still has them */ }
  showWaiting();
  return forgotten ? null : { ...told, time: "" };
}

function showWaiting() {
  byId("download").textContent = `Download ${waiting.size} decision${waiting.size === 1 ? "" : "s"} (CSV)`;
  byId("download").disabled = !waiting.size;
}

function download() {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [DATA.columns, ...[...waiting.values()].map((each) => DATA.columns.map((name) => quoted(each[name])))];
  const link = made("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => line.join(",") + "\n").join("")], { type: "text/csv" }));
  link.download = `decisions-${DATA.region}-${DATA.year}-${DATA.asset}.csv`;
  link.click();
}

// Whether somebody else decided on a place since its decision was shown, which is shown now.
async function decidedMeanwhile(place) {
  const shown = decisions.get(place.detection_id)?.number;
  await update();
  return decisions.get(place.detection_id)?.number !== shown;
}

async function refresh() {
  if (!here.busy && !here.asked) await update();
}

async function update() {
  if (!DATA.token) return;
  const answer = await fetch("/decisions").catch(() => null);
  if (!answer || !answer.ok) return;
  const now = Object.entries(await answer.json());
  if (now.every(([id, each]) => decisions.get(id)?.number === each.number)) return;
  for (const [id, each] of now) decisions.set(id, each);
  showList();
  showCounts();
  if (here.place) showStanding(here.place);
}

const KEYS = { c: () => decide("confirm"), r: ask, w: () => decide("withdraw"), n: () => go(neighbour(1)), p: () => go(neighbour(-1)), o: toggleOutline, ArrowRight: () => go(neighbour(1)), ArrowLeft: () => go(neighbour(-1)) };
function toggleOutline() {
  const off = document.body.classList.toggle("no-outline");
  byId("outline").setAttribute("aria-pressed", String(!off));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { closeForm(); say(""); document.activeElement.blur(); return; }
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  if (event.repeat && "crw".includes(event.key)) return; // a key that is held decides once
  KEYS[event.key]();
});
for (const [id, key] of [["confirm", "c"], ["reject", "r"], ["withdraw", "w"], ["before", "p"], ["next", "n"], ["outline", "o"]]) byId(id).addEventListener("click", () => KEYS[key]());
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  decide("reject", byId("form-reason").value.trim(), byId("form-later").checked ? "yes" : "");
});
byId("form-cancel").addEventListener("click", closeForm);
byId("page-before").addEventListener("click", () => go(here.list[(here.page - 1) * PAGE_SIZE]));
byId("page-after").addEventListener("click", () => go(here.list[(here.page + 1) * PAGE_SIZE]));
byId("filter-state").addEventListener("change", () => filtered(false));
byId("facts-kind").hidden = !DATA.maps;
byId("heading").textContent = DATA.places.length === DATA.total ? "" : `${DATA.places.length.toLocaleString("en")} of ${DATA.total.toLocaleString("en")} outlines: the larger ones, and those decided on`;
byId("reviewer").addEventListener("change", () => { try { localStorage.setItem("reviewer", byId("reviewer").value.trim()); } catch { /* asked again next time */ } });
try { byId("reviewer").value = localStorage.getItem("reviewer") || ""; } catch { /* asked each time */ }
if (!DATA.token) {
  try { for (const each of JSON.parse(localStorage.getItem(STORED) || "[]")) { waiting.set(each.detection_id, each); decisions.set(each.detection_id, { ...each, time: "" }); } } catch { /* nothing waits */ }
  byId("download").addEventListener("click", download);
  showWaiting();
}
window.addEventListener("focus", refresh);
filtered(false);
showCounts();
