"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const PAGE_SIZE = 96;
const WORDS = { accept: "accepted", reject: "rejected", relabel: "relabelled" };
const STORED = `review ${DATA.dataset} ${DATA.year} ${Object.values(DATA.seen).join(" ")}`;
const byId = (id) => document.getElementById(id);
const decisions = new Map(Object.entries(DATA.decisions));
const here = { list: DATA.patches, patch: null, range: null, page: 0, asked: null, busy: false };

// Texts of other people go into the page as text, never as markup.
function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Group of a patch: its range, or of a dataset of points its class.
const OF_RANGES = DATA.ranges.includes(DATA.choices[0]);
const GROUPS = OF_RANGES ? DATA.ranges : ["other", "mining"];
const groupOf = (patch) => (OF_RANGES ? patch.range : GROUPS[Number(patch.is_mining)]);
function nameOf(group) {
  if (group === "mining") return "mining";
  if (group === "other") return "no mining";
  if (group === "000") return "0 %";
  const [low, high] = group.split("_").map(Number);
  return `${low}–${high} %`;
}
const shareOf = (patch) => (patch.share === 0 ? "0 % mining" : `${(100 * patch.share).toFixed(patch.share < 0.1 ? 2 : 1)} % mining`);
const stateOf = (patch) => (decisions.has(patch.window_id) ? decisions.get(patch.window_id).decision : "open");

function matches(patch, withRange = true) {
  const [state, split, region] = ["state", "split", "region"].map((name) => byId(`filter-${name}`).value);
  return (!withRange || here.range === null || groupOf(patch) === here.range)
    && (!state || stateOf(patch) === state) && (!split || patch.split === split) && (!region || patch.region === region);
}

function filtered(keep) {
  here.list = DATA.patches.filter((patch) => matches(patch));
  if (!keep || !here.list.includes(here.patch)) here.patch = here.list[0] || null;
  showPatch();
  showList();
}

function showCounts() {
  const counts = { reviewed: 0, accepted: 0, rejected: 0, relabelled: 0 };
  for (const patch of DATA.patches) {
    const state = stateOf(patch);
    if (state !== "open") { counts.reviewed += 1; counts[WORDS[state]] += 1; }
  }
  byId("counts").replaceChildren(...Object.entries(counts).map(([name, count]) => {
    const cell = made("div");
    const whole = name === "reviewed" ? ` / ${DATA.patches.length.toLocaleString("en")}` : "";
    cell.append(made("b", "", count.toLocaleString("en") + whole), made("span", "", name));
    return cell;
  }));
  byId("ranges").replaceChildren(...[null, ...GROUPS].map(rangeButton));
}

function rangeButton(group) {
  const of = DATA.patches.filter((patch) => group === null || groupOf(patch) === group);
  const done = of.filter((patch) => stateOf(patch) !== "open").length;
  const button = made("button", "", group === null ? "all" : nameOf(group));
  const bar = made("progress");
  bar.max = Math.max(of.length, 1);
  bar.value = done;
  bar.setAttribute("aria-hidden", "true");
  button.append(made("small", "", `${done} / ${of.length}`), bar);
  button.setAttribute("aria-pressed", String(here.range === group));
  button.disabled = !of.length;
  button.addEventListener("click", () => { here.range = group; filtered(false); showCounts(); });
  return button;
}

function picture(patch, box) {
  const [pixels, outline] = [made("img"), made("img", "outline")];
  for (const image of [pixels, outline]) { image.loading = "lazy"; image.decoding = "async"; image.alt = ""; }
  pixels.src = patch.picture;
  outline.src = patch.outline;
  box.append(pixels, outline);
  return box;
}

function card(patch) {
  const state = stateOf(patch);
  const button = made("button", `card is-${state}`);
  const line = made("span", "line");
  const decision = decisions.get(patch.window_id);
  const word = { open: "", accept: "✓", reject: "✕", relabel: decision ? `→ ${nameOf(decision.range)}` : "" }[state];
  const share = patch.share === null ? nameOf(groupOf(patch)) : shareOf(patch).replace(" mining", "");
  line.append(made("span", "", state === "relabel" ? "" : share), made("b", "", word));
  button.append(picture(patch, made("div", "picture")), line);
  button.title = `${patch.patch_id}${decision ? `: ${WORDS[state]} by ${decision.reviewer}` : ""}`;
  button.dataset.patch = patch.patch_id;
  button.setAttribute("aria-current", String(patch === here.patch));
  button.addEventListener("click", () => go(patch));
  return button;
}

function showList() {
  const pages = Math.max(1, Math.ceil(here.list.length / PAGE_SIZE));
  here.page = here.patch ? Math.floor(here.list.indexOf(here.patch) / PAGE_SIZE) : 0;
  byId("page").textContent = `${here.list.length.toLocaleString("en")} patches, page ${here.page + 1} of ${pages}`;
  byId("page-before").disabled = here.page === 0;
  byId("page-after").disabled = here.page >= pages - 1;
  const parts = [];
  let group = null;
  for (const patch of here.list.slice(here.page * PAGE_SIZE, (here.page + 1) * PAGE_SIZE)) {
    if (groupOf(patch) !== group) {
      group = groupOf(patch);
      const heading = made("h2", "", nameOf(group));
      const of = here.list.filter((each) => groupOf(each) === group);
      heading.append(made("span", "", `${of.filter((each) => stateOf(each) !== "open").length} of ${of.length} reviewed`));
      parts.push(heading, made("div", "cards"));
    }
    parts[parts.length - 1].append(card(patch));
  }
  byId("thumbnails").replaceChildren(...(parts.length ? parts : [made("p", "empty", "No patch matches these filters.")]));
}

function showPatch() {
  const patch = here.patch;
  document.querySelector("aside").hidden = patch === null;
  if (!patch) return;
  closeForm();
  byId("picture-pixels").src = patch.picture;
  byId("picture-outline").src = patch.outline;
  byId("picture-pixels").alt = `True colour of patch ${patch.patch_id}`;
  byId("facts-range").textContent = nameOf(groupOf(patch));
  byId("facts-share").textContent = patch.share === null ? "" : shareOf(patch);
  byId("facts-split").textContent = patch.split ? `split ${patch.split}` : "";
  byId("facts-region").textContent = patch.region;
  byId("facts-id").textContent = patch.patch_id;
  showStanding(patch);
}

function showStanding(patch) {
  const decision = decisions.get(patch.window_id);
  const box = byId("standing");
  box.className = `standing is-${decision ? decision.decision : "open"}`;
  byId("accept-text").textContent = decision && decision.decision === "relabel" ? "Accept the map's label" : "Accept";
  if (!decision) { box.textContent = "Not yet reviewed"; return; }
  const to = decision.range ? ` to ${nameOf(decision.range)}` : "";
  box.replaceChildren(made("b", "", WORDS[decision.decision] + to), document.createTextNode(` by ${decision.reviewer}`));
  if (decision.reason) box.append(document.createTextNode(`: ${decision.reason}`));
  if (decision.time) box.append(made("small", "", `${decision.time.slice(0, 16).replace("T", " ")} UTC`));
}

function go(patch) {
  if (!patch) return;
  const page = here.page;
  here.patch = patch;
  say("");
  showPatch();
  if (Math.floor(here.list.indexOf(patch) / PAGE_SIZE) !== page) { showList(); byId("thumbnails").scrollIntoView({ block: "nearest" }); }
  for (const each of document.querySelectorAll(".card")) {
    const current = each.dataset.patch === patch.patch_id;
    each.setAttribute("aria-current", String(current));
    if (current) each.scrollIntoView({ block: "nearest" });
  }
}
const neighbour = (step) => here.list[here.list.indexOf(here.patch) + step];

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

function ask(decision) {
  if (!here.patch || !reviewerOr()) return;
  here.asked = decision;
  const relabel = decision === "relabel";
  byId("form-range-label").hidden = !relabel;
  const choices = DATA.choices.filter((choice) => !OF_RANGES || choice !== here.patch.map_range);
  byId("form-range").replaceChildren(...choices.map((choice) => {
    const option = made("option", "", nameOf(choice));
    option.value = choice;
    return option;
  }));
  byId("form-save").textContent = relabel ? "Save the new label" : "Save the rejection";
  byId("form-save").className = decision;
  byId("form-reason").value = "";
  byId("form").hidden = false;
  byId("actions").hidden = true;
  say("");
  (relabel ? byId("form-range") : byId("form-reason")).focus();
}

function closeForm() {
  here.asked = null;
  byId("form").hidden = true;
  byId("actions").hidden = false;
}

async function decide(decision, range = "", reason = "") {
  const reviewer = reviewerOr();
  const patch = here.patch;
  if (!patch || !reviewer || here.busy) return;
  if (decision !== "accept" && !reason) { byId("form-reason").classList.add("missing"); byId("form-reason").focus(); say("Write the reason: it is kept with the decision.", true); return; }
  byId("form-reason").classList.remove("missing");
  here.busy = true;
  try {
    if (await decidedMeanwhile(patch)) {
      say(`${decisions.get(patch.window_id).reviewer} decided on this patch meanwhile: look at it, and decide again if you still mean to.`, true);
      return;
    }
    const kept = await keep({ window_id: patch.window_id, decision, range, reviewer, reason });
    decisions.set(patch.window_id, kept);
    here.patch = neighbour(1) || patch;
    filtered(true);
    showCounts();
    document.querySelector(".card[aria-current=true]")?.scrollIntoView({ block: "nearest" });
    say(`${WORDS[decision]}: ${patch.patch_id}`);
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
  }).catch(() => { throw new Error("The server does not answer: nothing was saved. Start `mining-platform review` again."); });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error || "Nothing was saved.");
  return content;
}

// Without a server: decisions wait in this browser until they are downloaded.
const waiting = new Map();
function keepHere(told) {
  waiting.set(told.window_id, told);
  try { localStorage.setItem(STORED, JSON.stringify([...waiting.values()])); } catch { /* the download still has them */ }
  showWaiting();
  return { ...told, time: "" };
}

function showWaiting() {
  byId("download").textContent = `Download ${waiting.size} decision${waiting.size === 1 ? "" : "s"} (CSV)`;
  byId("download").disabled = !waiting.size;
}

function download() {
  const names = ["window_id", "decision", "range", "reviewer", "reason"];
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [names, ...[...waiting.values()].map((each) => names.map((name) => quoted(each[name])))];
  const link = made("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => line.join(",") + "\n").join("")], { type: "text/csv" }));
  link.download = `decisions-${DATA.dataset}-${DATA.year}.csv`;
  link.click();
}

// Whether somebody else decided on a patch since its decision was shown, which is shown now.
async function decidedMeanwhile(patch) {
  const shown = decisions.get(patch.window_id)?.number;
  await update();
  return decisions.get(patch.window_id)?.number !== shown;
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
  if (here.patch) showStanding(here.patch);
}

const KEYS = { a: () => decide("accept"), r: () => ask("reject"), l: () => ask("relabel"), n: () => go(neighbour(1)), p: () => go(neighbour(-1)), o: toggleOutline, ArrowRight: () => go(neighbour(1)), ArrowLeft: () => go(neighbour(-1)) };
function toggleOutline() {
  const off = document.body.classList.toggle("no-outline");
  byId("outline").setAttribute("aria-pressed", String(!off));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { closeForm(); say(""); document.activeElement.blur(); return; }
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  if (event.repeat && "arl".includes(event.key)) return; // a key that is held decides once
  KEYS[event.key]();
});
for (const [id, key] of [["accept", "a"], ["reject", "r"], ["relabel", "l"], ["before", "p"], ["next", "n"], ["outline", "o"]]) byId(id).addEventListener("click", () => KEYS[key]());
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  decide(here.asked, here.asked === "relabel" ? byId("form-range").value : "", byId("form-reason").value.trim());
});
byId("form-cancel").addEventListener("click", closeForm);
byId("page-before").addEventListener("click", () => go(here.list[(here.page - 1) * PAGE_SIZE]));
byId("page-after").addEventListener("click", () => go(here.list[(here.page + 1) * PAGE_SIZE]));
for (const name of ["state", "split", "region"]) byId(`filter-${name}`).addEventListener("change", () => filtered(false));
for (const name of ["split", "region"]) {
  const values = [...new Set(DATA.patches.map((patch) => patch[name]))].filter(Boolean).sort();
  byId(`filter-${name}`).append(...values.map((value) => made("option", "", value)));
}
byId("region-label").hidden = new Set(DATA.patches.map((patch) => patch.region)).size < 2;
byId("heading").textContent = DATA.heading;
byId("reviewer").addEventListener("change", () => { try { localStorage.setItem("reviewer", byId("reviewer").value.trim()); } catch { /* asked again next time */ } });
try { byId("reviewer").value = localStorage.getItem("reviewer") || ""; } catch { /* asked each time */ }
if (!DATA.token) {
  try { for (const each of JSON.parse(localStorage.getItem(STORED) || "[]")) { waiting.set(each.window_id, each); decisions.set(each.window_id, { ...each, time: "" }); } } catch { /* nothing waits */ }
  byId("download").addEventListener("click", download);
  showWaiting();
}
window.addEventListener("focus", refresh);
filtered(false);
showCounts();
