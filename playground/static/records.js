// Two columns that are one list: left the row as the gate wrote it, right whether it has arrived.
import { $, h } from "./dom.js";
import { record } from "./words.js";

const KEPT = 200;
const MARK = { admitted: "✓", refused: "✕", passage: "→", no_passage: "↩", fault: "!", evacuation: "!" };

const rows = new Map(); // seq -> {item, hash, presentation, arrived}
const early = new Set(); // arrivals told before their row

const time = (at) => new Date(at * 1000).toLocaleTimeString("en-GB");

export function written(row) {
  const known = rows.get(row.seq);
  if (known?.hash === row.hash) return;
  if (known) clear(); // another journal: the gate has begun anew
  const kind = row.verdict || row.kind;
  const item = h("li", { "data-seq": row.seq, class: "row" },
    h("div", { class: "cell here" },
      h("span", { class: `mark ${kind}`, "aria-hidden": "true" }, MARK[kind] || "·"),
      h("span", { class: "what" }, record(row),
        h("small", {}, [`#${row.seq}`, time(row.at), row.lane, row.ticket && `ticket …${row.ticket}`].filter(Boolean).join(" · "))),
      h("span", { class: "pace" })),
    h("div", { class: "cell there" }, h("span", { class: "arrow", "aria-hidden": "true" }), h("span", { class: "word" }, "waiting")));
  rows.set(row.seq, { item, hash: row.hash, presentation: row.kind === "scan" ? row.presentation : null, arrived: false });
  $("rows").prepend(item);
  $("rows-empty").hidden = true;
  if (early.delete(row.seq)) arrived({ seq: row.seq });
  while (rows.size > KEPT) drop(rows.keys().next().value);
  count();
}

export function arrived({ seq }) {
  const row = rows.get(seq);
  if (!row) {
    if (early.size < KEPT) early.add(seq);
    return;
  }
  if (row.arrived) return;
  row.arrived = true;
  row.item.classList.add("arrived");
  row.item.querySelector(".there .word").textContent = `#${seq} arrived ${time(Date.now() / 1000)}`;
  count();
}

/** How long the gate took, beside the row of that presentation. */
export function took({ presentation, ms }) {
  for (const row of rows.values()) {
    if (row.presentation === presentation) row.item.querySelector(".pace").textContent = `${Math.round(ms)} ms`;
  }
}

/** Draw the cable between the columns: `well`, `slow` or `cut`. */
export function cable(state, word) {
  $("cable").dataset.state = state;
  $("cable-word").textContent = word;
}

function drop(seq) {
  rows.get(seq).item.remove();
  rows.delete(seq);
}

function clear() {
  rows.clear();
  $("rows").replaceChildren();
}

function count() {
  const waiting = [...rows.values()].filter((row) => !row.arrived).length;
  $("waiting").hidden = waiting === 0;
  $("waiting").textContent = `${waiting} waiting`;
}
