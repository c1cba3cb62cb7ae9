const KIND = {
  id: "detection_id", name: "detection_id", thing: "place", things: "places", pageSize: 60, command: "review-detections",
  words: { confirm: "confirmed", reject: "false alarm", withdraw: "withdrawn" },
  stored: `review-detections ${DATA.region} ${DATA.year} ${DATA.asset} ${DATA.seen}`,
  file: `${DATA.region}-${DATA.year}-${DATA.asset}`,
};
const SVG = "http://www.w3.org/2000/svg";

const areaOf = (place) => `${place.area_ha.toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 })} ha`;
function stateOf(place) {
  const decision = decisionOn(place);
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
  const line = made("span", "line");
  line.append(made("span", "", areaOf(place)), made("b", "", { open: "", confirm: "✓ mining", reject: "✕ false" }[state]));
  const button = cardOf(place, state, [picture(place, DATA.year, true), line]);
  button.title = place.detection_id;
  return button;
}

function showCounts() {
  const count = (state) => DATA.places.filter((place) => stateOf(place) === state).length.toLocaleString("en");
  countCells([["confirmed", count("confirm")], ["false alarms", count("reject")], ["not reviewed", count("open")]]);
}

function showList() {
  const cards = itemsOfPage().map(card);
  byId("thumbnails").replaceChildren(...(cards.length ? cards : [made("p", "empty", "No place matches this filter.")]));
}

function draw(place) {
  byId("pair").replaceChildren(picture(place, DATA.year - 1, false), picture(place, DATA.year, false));
  byId("facts-area").textContent = areaOf(place);
  byId("facts-place").textContent = `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}`;
  byId("facts-side").textContent = `${(place.side_m / 1000).toFixed(1)} km a side`;
}

function showStanding(place) {
  const decision = decisionOn(place);
  const state = stateOf(place);
  byId("withdraw").disabled = state === "open";
  const later = decision && (decision.also_later === true || decision.also_later === "yes") ? ", also in later years" : "";
  showStandingOf(decision, state, decision ? KIND.words[decision.decision] + later : "");
}

function filtered(keep) {
  const state = byId("filter-state").value;
  filterTo(DATA.places.filter((place) => !state || stateOf(place) === state || (keep && place === here.item)), keep);
}

function ask() {
  if (!here.item || !reviewerOr()) return;
  byId("form-later").checked = false;
  openForm("reject", byId("form-reason"));
}

function decide(decision, reason = "", later = "") {
  if (decision === "withdraw" && here.item && stateOf(here.item) === "open") { say("Nobody decided on this place: there is nothing to withdraw.", true); return; }
  decided({ decision, also_later: later, reason }, decision === "reject");
}

byId("facts-kind").hidden = !DATA.maps;
byId("heading").textContent = DATA.places.length === DATA.total ? "" : `${DATA.places.length.toLocaleString("en")} of ${DATA.total.toLocaleString("en")} outlines: the larger ones, and those decided on`;
start(
  { confirm: ["c", () => decide("confirm")], reject: ["r", ask], withdraw: ["w", () => decide("withdraw")] },
  () => decide("reject", byId("form-reason").value.trim(), byId("form-later").checked ? "yes" : ""),
);
