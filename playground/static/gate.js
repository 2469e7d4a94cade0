// The drawn gate: what each lane's metal, lamps, reader and guest do, as the stage tells it.
import { $ } from "./dom.js";
import { enter, empty, forward, leave, pass, turnBack } from "./person.js";

const LAMP = { green: "go", amber: "look", checking: "look", red: "stop", fault: "stop" };
const FACE = { admitted: "yes", goodbye: "yes", valid: "yes", free_flow: "yes", refused: "no", closed: "no",
  checking: "wait", waiting: "wait", evacuation: "evacuation", down: "down" };
const METAL = { locked: "Locked", released: "Go through", open: "Open" };
const SAID = { locked: "The turnstile is locked.", released: "The turnstile is released for one person.", open: "The turnstile is open." };
const SIDES = { entry: ["Outside", "Inside"], exit: ["Inside", "Outside"], both: ["Outside", "Inside"] };

const scene = $("scene");
const lanes = new Map();
let watched = "";
let alive = true;

/** Learn the lanes; those known keep what they were told. */
export function know(told) {
  for (const { name, direction, face = "idle", word = "" } of told) {
    if (!lanes.has(name)) {
      lanes.set(name, { name, direction, metal: "locked", lamp: "none", state: "locked", face, word, turns: 0, showing: "", camera: "in" });
    }
  }
  if (!lanes.has(watched)) watch(told[0].name);
}

/** Draw this lane from now on. */
export function watch(name) {
  if (name === watched || !lanes.has(name)) return;
  watched = name;
  empty();
  draw();
}

export const watching = () => watched;

function lane(name, changes) {
  const known = lanes.get(name);
  if (!known) return false;
  Object.assign(known, changes);
  if (name === watched) draw();
  return name === watched;
}

export function showing(told) {
  const up = told.state === "up";
  if (up) watch(told.lane);
  const here = lane(told.lane, { showing: up ? told.medium : "" });
  if (!here) return;
  if (up) enter();
  else if (told.found !== "admitted") turnBack();
}

export function device(told) {
  if (told.device === "lights") {
    lane(told.lane, { lamp: LAMP[told.did] || "none" });
    return;
  }
  if (told.did.startsWith("release")) {
    if (lane(told.lane, { metal: "released" })) forward();
  } else if (told.did.startsWith("passage")) {
    const turns = (lanes.get(told.lane)?.turns || 0) + 1;
    if (lane(told.lane, { turns })) pass();
  } else if (told.did === "lock") {
    lane(told.lane, { metal: "locked" });
  } else if (told.did === "hold_open") {
    lane(told.lane, { metal: "open" });
  }
}

export function gate(told) {
  if (told.kind === "outcome" && told.outcome !== "passage" && told.lane === watched) turnBack();
  if (!told.lane || !told.state || told.kind === "server") return;
  const before = lanes.get(told.lane)?.state;
  lane(told.lane, { state: told.state });
  if (told.lane !== watched || before === told.state) return;
  if (told.state === "evacuation") leave();
  else if (before === "evacuation") empty();
}

/** What the guest's own screen at that lane says; `word` is the gate's. */
export function face(told) {
  lane(told.lane, { face: told.face, word: told.word });
}

/** The plug of the first lane's camera. */
export function camera(out) {
  lane(lanes.keys().next().value, { camera: out ? "out" : "in" });
}

export function power(up) {
  alive = up;
  if (up) for (const known of lanes.values()) Object.assign(known, { state: "locked" });
  else for (const known of lanes.values()) Object.assign(known, { metal: "locked", lamp: "none", showing: "" });
  draw();
}

function draw() {
  const told = lanes.get(watched);
  const [from, to] = SIDES[told.direction] || SIDES.entry;
  Object.assign(scene.dataset, {
    lane: told.direction, state: told.state, metal: told.metal, lamp: told.lamp, showing: told.showing,
    face: alive ? FACE[told.face] || "idle" : "down", camera: told.camera, down: alive ? "no" : "yes" });
  scene.style.setProperty("--turns", told.turns);
  $("side-from").textContent = from;
  $("side-to").textContent = to;
  $("arm-word").textContent = METAL[told.metal];
  const word = $("face-word");
  word.textContent = alive ? told.word : "";
  word.setAttribute("class", `word ${told.word.length > 13 ? "long" : ""}`);
  $("down-note").textContent = alive ? "" : "No power. It starts by itself.";
  $("scene-told").textContent = alive
    ? `Lane ${told.name}. ${told.state === "evacuation" ? "Evacuation." : ""} ${SAID[told.metal]} The screen says: ${told.word || "nothing"}.`
    : "The gate has no power and starts again by itself.";
  for (const button of $("lanes").children) {
    button.setAttribute("aria-pressed", String(button.dataset.lane === watched));
  }
}
