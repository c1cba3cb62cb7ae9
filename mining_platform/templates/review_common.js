"use strict";
// What every page of reviews does. A page's own script comes after this one: it names its `KIND`, draws its items and begins with `start`.
const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const decisions = new Map(Object.entries(DATA.decisions));
const here = { list: [], item: null, page: 0, asked: null, busy: false };

// Texts of other people go into the page as text, never as markup.
function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const idOf = (item) => item[KIND.id];
const nameOfItem = (item) => item[KIND.name];
const decisionOn = (item) => decisions.get(idOf(item));
const neighbour = (step) => here.list[here.list.indexOf(here.item) + step];
const pageOf = (item) => (item ? Math.floor(here.list.indexOf(item) / KIND.pageSize) : 0);

function filterTo(list, keep) {
  here.list = list;
  if (!keep || !here.list.includes(here.item)) here.item = here.list[0] || null;
  showItem();
  showList();
}

function countCells(cells) {
  byId("counts").replaceChildren(...cells.map(([name, number]) => {
    const cell = made("div");
    cell.append(made("b", "", number), made("span", "", name));
    return cell;
  }));
}

// The items of the page that holds the one in hand.
function itemsOfPage() {
  const pages = Math.max(1, Math.ceil(here.list.length / KIND.pageSize));
  here.page = pageOf(here.item);
  byId("page").textContent = `${here.list.length.toLocaleString("en")} ${KIND.things}, page ${here.page + 1} of ${pages}`;
  byId("page-before").disabled = here.page === 0;
  byId("page-after").disabled = here.page >= pages - 1;
  return here.list.slice(here.page * KIND.pageSize, (here.page + 1) * KIND.pageSize);
}

function cardOf(item, state, inside) {
  const button = made("button", `card is-${state}`);
  button.append(...inside);
  button.dataset.item = nameOfItem(item);
  button.setAttribute("aria-current", String(item === here.item));
  button.addEventListener("click", () => go(item));
  return button;
}

function showItem() {
  document.querySelector("aside").hidden = here.item === null;
  if (!here.item) return;
  closeForm();
  draw(here.item);
  byId("facts-id").textContent = nameOfItem(here.item);
  showStanding(here.item);
}

function showStandingOf(decision, state, words) {
  const box = byId("standing");
  box.className = `standing is-${state}`;
  if (!decision) { box.textContent = "Not yet reviewed"; return; }
  box.replaceChildren(made("b", "", words), document.createTextNode(` by ${decision.reviewer}`));
  if (decision.reason) box.append(document.createTextNode(`: ${decision.reason}`));
  if (decision.time) box.append(made("small", "", `${decision.time.slice(0, 16).replace("T", " ")} UTC`));
}

function go(item) {
  if (!item) return;
  const page = here.page;
  here.item = item;
  say("");
  showItem();
  if (pageOf(item) !== page) { showList(); byId("thumbnails").scrollIntoView({ block: "nearest" }); }
  for (const each of document.querySelectorAll(".card")) {
    const current = each.dataset.item === nameOfItem(item);
    each.setAttribute("aria-current", String(current));
    if (current) each.scrollIntoView({ block: "nearest" });
  }
}

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

function openForm(asked, first) {
  here.asked = asked;
  byId("form-reason").value = "";
  byId("form").hidden = false;
  byId("actions").hidden = true;
  say("");
  first.focus();
}

function closeForm() {
  here.asked = null;
  byId("form").hidden = true;
  byId("actions").hidden = false;
}

// Keep a decision on the item in hand, unless somebody else decided meanwhile; then the next one is in hand.
async function decided(told, needsReason) {
  const reviewer = reviewerOr();
  const item = here.item;
  if (!item || !reviewer || here.busy) return;
  if (needsReason && !told.reason) { byId("form-reason").classList.add("missing"); byId("form-reason").focus(); say("Write the reason: it is kept with the decision.", true); return; }
  byId("form-reason").classList.remove("missing");
  here.busy = true;
  try {
    if (await decidedMeanwhile(item)) {
      say(`${decisionOn(item).reviewer} decided on this ${KIND.thing} meanwhile: look at it, and decide again if you still mean to.`, true);
      return;
    }
    const kept = await keep({ [KIND.id]: idOf(item), ...told, reviewer });
    if (kept) decisions.set(idOf(item), kept);
    here.item = neighbour(1) || item;
    filtered(true);
    showCounts();
    document.querySelector(".card[aria-current=true]")?.scrollIntoView({ block: "nearest" });
    say(`${KIND.words[told.decision]}: ${nameOfItem(item)}`);
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
  }).catch(() => { throw new Error(`The server does not answer: nothing was saved. Start \`mining-platform ${KIND.command}\` again.`); });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error || "Nothing was saved.");
  return content;
}

// Without a server: decisions wait in this browser until they are downloaded; one that only waits is withdrawn by forgetting it.
const waiting = new Map();
function keepHere(told) {
  const id = told[KIND.id];
  const before = DATA.decisions[id];
  const forgotten = told.decision === "withdraw" && waiting.has(id) && (!before || before.decision === "withdraw");
  if (forgotten) {
    waiting.delete(id);
    if (before) decisions.set(id, before); else decisions.delete(id);
  } else {
    waiting.set(id, told);
  }
  try { localStorage.setItem(KIND.stored, JSON.stringify([...waiting.values()])); } catch { /* the download still has them */ }
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
  link.download = `decisions-${KIND.file}.csv`;
  link.click();
}

// Whether somebody else decided on an item since its decision was shown, which is shown now.
async function decidedMeanwhile(item) {
  const shown = decisionOn(item)?.number;
  await update();
  return decisionOn(item)?.number !== shown;
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
  if (here.item) showStanding(here.item);
}

function toggleOutline() {
  const off = document.body.classList.toggle("no-outline");
  byId("outline").setAttribute("aria-pressed", String(!off));
}

// `keys` do what the buttons of the same ids do; a key that decides does so once, however long it is held.
function start(keys, submit) {
  const steps = { n: () => go(neighbour(1)), p: () => go(neighbour(-1)), o: toggleOutline, ArrowRight: () => go(neighbour(1)), ArrowLeft: () => go(neighbour(-1)) };
  const all = { ...steps, ...Object.fromEntries(Object.entries(keys).map(([, [key, does]]) => [key, does])) };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { closeForm(); say(""); document.activeElement.blur(); return; }
    const typing = event.target.closest("input, select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !all[event.key]) return;
    event.preventDefault();
    if (event.repeat && !steps[event.key]) return;
    all[event.key]();
  });
  for (const [id, [, does]] of Object.entries(keys)) byId(id).addEventListener("click", () => does());
  for (const [id, key] of [["before", "p"], ["next", "n"], ["outline", "o"]]) byId(id).addEventListener("click", () => steps[key]());
  byId("form").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  byId("form-cancel").addEventListener("click", closeForm);
  byId("page-before").addEventListener("click", () => go(here.list[(here.page - 1) * KIND.pageSize]));
  byId("page-after").addEventListener("click", () => go(here.list[(here.page + 1) * KIND.pageSize]));
  byId("filter-state").addEventListener("change", () => filtered(false));
  byId("reviewer").addEventListener("change", () => { try { localStorage.setItem("reviewer", byId("reviewer").value.trim()); } catch { /* asked again next time */ } });
  try { byId("reviewer").value = localStorage.getItem("reviewer") || ""; } catch { /* asked each time */ }
  if (!DATA.token) {
    try { for (const each of JSON.parse(localStorage.getItem(KIND.stored) || "[]")) { waiting.set(each[KIND.id], each); decisions.set(each[KIND.id], { ...each, time: "" }); } } catch { /* nothing waits */ }
    byId("download").addEventListener("click", download);
    showWaiting();
  }
  window.addEventListener("focus", async () => { if (!here.busy && !here.asked) await update(); });
  filtered(false);
  showCounts();
}
