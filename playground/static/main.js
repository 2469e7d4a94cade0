// The visitor page: asks the stage what there is, follows what happens, and tells each part.
import * as api from "./api.js";
import * as gate from "./gate.js";
import * as records from "./records.js";
import * as sound from "./sound.js";
import * as switches from "./switches.js";
import * as tray from "./tray.js";
import * as verdict from "./verdict.js";
import { $, h } from "./dom.js";
import { faults, forget } from "./faults.js";
import { status } from "./status.js";
import { Tour } from "./tour.js";

const MOST = 6; // showings under way; the stage takes two more for each lane
const WIRE = { slow: ["slow", "slow"], stuck: ["slow", "very slow"] };

const values = new Map(); // switch -> what it is
const usual = new Map(); // switch -> what it was when the page first saw it at rest
const underWay = new Set();
const tour = new Tour(await api.getTour(), values);
let stage = null;
let picked = "";
let look = "none";

// -- what the visitor does ------------------------------------------------------------------------

async function attempt(act) {
  try {
    await act();
    $("complaint").hidden = true;
  } catch (error) {
    if (!(error instanceof api.Refused)) throw error;
    $("complaint").hidden = false;
    $("complaint").textContent = `${error.message}. ${error.remedy}.`;
  }
}

function pick(id) {
  picked = id;
  tray.pick(id);
  const ticket = stage.tickets.find((one) => one.id === id);
  $("picked").textContent = ticket.label;
  $("tap").hidden = !ticket.media.includes("tap");
  $("show").disabled = false;
  see();
}

function see() {
  const { turn: guest } = stage.tickets.find((one) => one.id === picked);
  $("seen").src = api.picture(picked, look, 240, guest);
  $("seen").alt = `${$("picked").textContent}, as the camera sees it`;
}

function present(id, act) {
  pick(id);
  if (underWay.size >= MOST) return;
  attempt(async () => underWay.add((await act(id)).showing));
}

const show = (id) => present(id, (ticket) => api.show(ticket, look));
const tap = (id) => present(id, (ticket) => api.tap(ticket));

async function turn(id, value) {
  switches.busy(id, true);
  await attempt(() => api.turn(id, value));
  switches.busy(id, false);
  if (values.has(id)) switches.set(id, values.get(id)); // a refused act must not look done
}

function choose(id) {
  look = id;
  see();
  tour.heard("look", { look: id });
}

async function startTour() {
  for (const [id, value] of usual) if (values.get(id) !== value) await turn(id, value);
  tour.start();
}

// -- what the stage tells ---------------------------------------------------------------------------

async function fetchStage() {
  const first = stage === null;
  stage = await api.getStage();
  gate.know(stage.lanes);
  tray.fill(stage.tickets, show, tap);
  if (first) build();
  for (const item of stage.switches) turned(item.id, item.value);
  verdict.train(stage.training);
  pick(stage.tickets.some((one) => one.id === picked) ? picked : stage.tickets[0].id);
}

function build() {
  switches.fill(stage.switches, turn);
  for (const item of stage.switches) {
    if (item.kind === "toggle") usual.set(item.id, false);
    if (item.kind === "choice") usual.set(item.id, item.options[0].id);
  }
  $("lanes").replaceChildren(...stage.lanes.map(({ name }) => h("button",
    { type: "button", "data-lane": name, "aria-pressed": String(name === gate.watching()), onclick: () => gate.watch(name) }, name)));
  $("looks").append(...stage.looks.map(({ id, label }) => h("label", { class: "chip" }, lookInput(id), h("span", {}, label))));
  const { steward, attendee, central } = stage.screens;
  const links = { "link-steward": steward, "link-attendee": attendee[stage.lanes[0].name], "link-central": central };
  for (const [id, address] of Object.entries(links)) {
    if (!address) continue;
    $(id).href = address;
    $(id).hidden = false;
  }
  if (stage.camera) $("webcam").textContent = `${stage.camera} reads at the entrance, too: hold a printed ticket up to it.`;
}

function lookInput(id) {
  const input = h("input", { type: "radio", name: "look", value: id, checked: id === look });
  input.addEventListener("change", () => choose(id));
  return input;
}

/** The cable between the columns: how it looks, and a word for it. */
function wire() {
  if (values.get("internet")) return ["cut", "cut"];
  if (values.get("mode") === "training") return ["training", "training: nothing is sent"];
  return WIRE[values.get("server")] || ["well", "connected"];
}

function turned(id, value) {
  const before = values.get(id);
  values.set(id, value);
  switches.set(id, value);
  if (id === "camera") gate.camera(value); // of the first lane
  if (["internet", "server", "mode"].includes(id)) records.cable(...wire());
  if (id === "mode") verdict.train(value === "training");
  if (id === "fire" && before !== undefined && before !== value) verdict.evacuation(value);
  status({ [id]: value });
}

function happened(told) {
  gate.gate(told);
  faults(told);
  status(told.kind === "server" ? { online: told.state === "online" } : {});
  if (told.kind === "outcome") verdict.outcome(told);
  if (told.kind !== "verdict") return;
  verdict.verdict(told);
  sound.play(told.cue);
}

function showing(told) {
  gate.showing(told);
  if (told.state === "up") return;
  underWay.delete(told.showing);
  if (told.found === "nothing") verdict.nothing();
}

function power({ up }) {
  gate.power(up);
  status({ up });
  forget();
  if (up) verdict.up();
  else verdict.down();
}

function hello({ resumed }) {
  if (resumed) return;
  underWay.clear();
  attempt(fetchStage);
}

const HEARD = {
  hello, gate: happened, device: gate.device, face: gate.face, showing, gate_up: power,
  journal: records.written, central: records.arrived,
  latency: (told) => { records.took(told); verdict.took(told); },
  switch: ({ id, value }) => turned(id, value),
  stage: () => attempt(fetchStage),
};

function heard(name, data) {
  HEARD[name](data);
  tour.heard(name, data);
}

function connected(up) {
  $("lost").hidden = up;
  $("lost").textContent = up ? "" : "The playground does not answer. If it does not come back, start it again in the terminal: make demo";
}

$("show").addEventListener("click", () => show(picked));
$("tap").addEventListener("click", () => tap(picked));
$("sound").addEventListener("click", async () => {
  const on = await sound.toggle();
  $("sound").setAttribute("aria-pressed", String(on));
  $("sound").querySelector("span").textContent = on ? "Sound on" : "Sound off";
});
$("tour-start").addEventListener("click", startTour);
$("tour-target").addEventListener("click", () => tour.focusTarget());
$("tour-skip").addEventListener("click", () => tour.skip());
$("tour-end").addEventListener("click", () => { tour.end(); $("tour-start").focus(); });
api.follow(heard, connected);
