const KIND = {
  id: "window_id", name: "patch_id", thing: "patch", things: "patches", pageSize: 96, command: "review",
  words: { accept: "accepted", reject: "rejected", relabel: "relabelled" },
  stored: `review ${DATA.dataset} ${DATA.year} ${Object.values(DATA.seen).join(" ")}`,
  file: `${DATA.dataset}-${DATA.year}`,
};
let chosen = null; // group that is shown, null for all

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
const stateOf = (patch) => decisionOn(patch)?.decision ?? "open";

function matches(patch) {
  const [state, split, region] = ["state", "split", "region"].map((name) => byId(`filter-${name}`).value);
  return (chosen === null || groupOf(patch) === chosen)
    && (!state || stateOf(patch) === state) && (!split || patch.split === split) && (!region || patch.region === region);
}

const filtered = (keep) => filterTo(DATA.patches.filter(matches), keep);

function showCounts() {
  const counts = { reviewed: 0, accepted: 0, rejected: 0, relabelled: 0 };
  for (const patch of DATA.patches) {
    const state = stateOf(patch);
    if (state !== "open") { counts.reviewed += 1; counts[KIND.words[state]] += 1; }
  }
  const whole = (name) => (name === "reviewed" ? ` / ${DATA.patches.length.toLocaleString("en")}` : "");
  countCells(Object.entries(counts).map(([name, count]) => [name, count.toLocaleString("en") + whole(name)]));
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
  button.setAttribute("aria-pressed", String(chosen === group));
  button.disabled = !of.length;
  button.addEventListener("click", () => { chosen = group; filtered(false); showCounts(); });
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
  const line = made("span", "line");
  const decision = decisionOn(patch);
  const word = { open: "", accept: "✓", reject: "✕", relabel: decision ? `→ ${nameOf(decision.range)}` : "" }[state];
  const share = patch.share === null ? nameOf(groupOf(patch)) : shareOf(patch).replace(" mining", "");
  line.append(made("span", "", state === "relabel" ? "" : share), made("b", "", word));
  const button = cardOf(patch, state, [picture(patch, made("div", "picture")), line]);
  button.title = `${patch.patch_id}${decision ? `: ${KIND.words[state]} by ${decision.reviewer}` : ""}`;
  return button;
}

function showList() {
  const parts = [];
  let group = null;
  for (const patch of itemsOfPage()) {
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

function draw(patch) {
  byId("picture-pixels").src = patch.picture;
  byId("picture-outline").src = patch.outline;
  byId("picture-pixels").alt = `True colour of patch ${patch.patch_id}`;
  byId("facts-range").textContent = nameOf(groupOf(patch));
  byId("facts-share").textContent = patch.share === null ? "" : shareOf(patch);
  byId("facts-split").textContent = patch.split ? `split ${patch.split}` : "";
  byId("facts-region").textContent = patch.region;
}

function showStanding(patch) {
  const decision = decisionOn(patch);
  byId("accept-text").textContent = decision && decision.decision === "relabel" ? "Accept the map's label" : "Accept";
  const to = decision && decision.range ? ` to ${nameOf(decision.range)}` : "";
  showStandingOf(decision, stateOf(patch), decision ? KIND.words[decision.decision] + to : "");
}

function ask(decision) {
  if (!here.item || !reviewerOr()) return;
  const relabel = decision === "relabel";
  byId("form-range-label").hidden = !relabel;
  const choices = DATA.choices.filter((choice) => !OF_RANGES || choice !== here.item.map_range);
  byId("form-range").replaceChildren(...choices.map((choice) => {
    const option = made("option", "", nameOf(choice));
    option.value = choice;
    return option;
  }));
  byId("form-save").textContent = relabel ? "Save the new label" : "Save the rejection";
  byId("form-save").className = decision;
  openForm(decision, relabel ? byId("form-range") : byId("form-reason"));
}

const decide = (decision, range = "", reason = "") => decided({ decision, range, reason }, decision !== "accept");

for (const name of ["split", "region"]) {
  byId(`filter-${name}`).addEventListener("change", () => filtered(false));
  const values = [...new Set(DATA.patches.map((patch) => patch[name]))].filter(Boolean).sort();
  byId(`filter-${name}`).append(...values.map((value) => made("option", "", value)));
}
byId("region-label").hidden = new Set(DATA.patches.map((patch) => patch.region)).size < 2;
byId("heading").textContent = DATA.heading;
start(
  { accept: ["a", () => decide("accept")], reject: ["r", () => ask("reject")], relabel: ["l", () => ask("relabel")] },
  () => decide(here.asked, here.asked === "relabel" ? byId("form-range").value : "", byId("form-reason").value.trim()),
);
