// What is broken just now, with cause and remedy, as the steward would read it.
import { $, h, sentence } from "./dom.js";

const standing = new Map();

/** Hear an event of the gate. */
export function faults(told) {
  const name = `${told.lane || ""} ${told.name}`;
  if (told.kind === "fault") standing.set(name, told);
  else if (told.kind === "recovered") standing.delete(name);
  else return;
  draw();
}

/** The gate starts anew, and will say again what is broken. */
export function forget() {
  standing.clear();
  draw();
}

function draw() {
  $("faults").hidden = standing.size === 0;
  $("faults").replaceChildren(...[...standing.values()].map((fault) => h("p", {},
    h("strong", {}, `${fault.lane ? `${sentence(fault.lane)}: ` : ""}${sentence(fault.cause)}. `), fault.remedy)));
}
