// The contract with the stage, docs/playground.md: requests, and the stream of what happens.

/** What the stage refuses, with its cause and its remedy. */
export class Refused extends Error {
  constructor(told) {
    super(told.cause);
    this.remedy = told.remedy;
  }
}

const UNREACHABLE = {
  cause: "The playground does not answer",
  remedy: "Start it again in the terminal: make demo",
};

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused(UNREACHABLE);
  }
  const told = await answer.json().catch(() => UNREACHABLE);
  if (!answer.ok) throw new Refused(told);
  return told;
}

const post = (path, body) => ask(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const getStage = () => ask("/api/stage");
export const getTour = () => ask("/static/tour.json");
export const show = (ticket, look) => post("/api/show", { ticket, look });
export const tap = (ticket) => post("/api/tap", { ticket });
export const turn = (id, value) => post("/api/switch", value === undefined ? { id } : { id, value });

/**
 * Where a ticket's picture is.
 * @param {number} size - pixels of a side
 * @param {string} turn - changes when the ticket behind the id does
 */
export const picture = (ticket, look, size, turn) =>
  `/api/picture/${encodeURIComponent(ticket)}?${new URLSearchParams({ look, size, turn })}`;

const EVENTS = ["hello", "gate", "device", "journal", "latency", "central", "switch", "showing", "gate_up", "stage", "face"];

const SILENCE = 7000; // ms; three beats

/**
 * Follow the stage for ever; the browser reconnects and resumes by itself.
 * @param {function(string, any)} heard - called with each event's name and data
 * @param {function(boolean)} connected - called with false at a loss, with true at the next word
 */
export function follow(heard, connected) {
  const source = new EventSource("/api/events");
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => connected(false), SILENCE);
    connected(true);
  };
  source.addEventListener("open", alive);
  source.addEventListener("beat", alive);
  source.addEventListener("error", () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(heard, connected), 1000);
  });
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      alive();
      heard(name, JSON.parse(event.data));
    });
  }
}
