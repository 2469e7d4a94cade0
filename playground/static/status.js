// The state of the whole gate in three words, at the top of the page.
import { $ } from "./dom.js";

const known = { up: true, online: true, internet: false, fire: false, mode: "normal" };

/** Learn some facts and say the one that matters most. */
export function status(facts) {
  Object.assign(known, facts);
  const [style, word] = worst();
  $("status").className = `status ${style}`;
  if ($("status").textContent !== word) $("status").textContent = word;
}

function worst() {
  if (!known.up) return ["no", "✕ No power"];
  if (known.fire) return ["no", "! Evacuation"];
  if (known.internet || !known.online) return ["look", "! Offline, working on"];
  if (known.mode === "training") return ["look", "Training"];
  return ["yes", "✓ Gate running, online"];
}
