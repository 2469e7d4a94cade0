// The verdict in big words, the steward's next step, and in training the question before it.
import { $, h, sentence } from "./dom.js";
import { REASON } from "./words.js";

const GUESSES = ["Let them in, the queue is long.", "Take the ticket away and send them home."];

let training = false;
let told = null; // the newest verdict

const ready = {
  style: "idle", big: "Show a ticket",
  next: "The gate reads it, decides, writes the decision down, and only then opens.",
};

export function train(on) {
  training = on;
  $("training").hidden = !on;
  if (!on) $("exercise").hidden = true;
}

function put({ style, big, next, pace = "" }) {
  $("verdict").className = `verdict ${style}`;
  $("verdict-big").textContent = big;
  $("verdict-next").textContent = next;
  $("verdict-pace").textContent = pace;
}

export function verdict(event) {
  told = event;
  if (event.verdict === "admitted") admitted(event);
  else refused(event);
  $("verdict").dataset.presentation = event.presentation;
}

/** Whether the steward has to look at the guest: that nobody else was asked is not about the guest. */
const looks = (event) => Boolean(event.attention) && !event.attention.startsWith("unclaimed");

function admitted(event) {
  $("exercise").hidden = true;
  const out = event.direction === "exit";
  const facts = [event.detail, event.attention && `${looks(event) ? "Steward: look. " : ""}${sentence(event.attention)}`];
  put({
    style: looks(event) ? "look" : "yes",
    big: looks(event) ? "Admitted, but look" : out ? "Goodbye" : "Admitted",
    next: sentence(facts.filter(Boolean).join(". ")) || (out ? "An exit is never refused." : "Recorded first, then released for one person."),
  });
}

function refused(event) {
  const fact = event.detail ? `${sentence(event.detail)}. ` : "";
  const big = `Refused: ${(REASON[event.reason] || event.reason).toLowerCase()}`;
  if (!training || !event.next_step) {
    $("exercise").hidden = true;
    put({ style: "no", big, next: `${fact}${event.next_step || ""}` });
    return;
  }
  put({ style: "no", big, next: `${fact}Your turn, steward: what would you do?` });
  question(event);
}

function question(event) {
  const answers = [...GUESSES];
  answers.splice(parseInt(event.presentation.slice(-2), 16) % 3, 0, event.next_step);
  const answer = (text) => h("button", { type: "button", class: "secondary", onclick: () => reveal(event, text) }, text);
  $("exercise").hidden = false;
  $("exercise").replaceChildren(h("div", { class: "answers", role: "group", "aria-label": "What would you do?" }, ...answers.map(answer)));
}

function reveal(event, text) {
  const right = text === event.next_step;
  $("verdict-next").textContent = event.next_step;
  $("exercise").replaceChildren(h("p", { class: right ? "right" : "wrong", tabindex: "-1" },
    right ? "Right. That is what the steward’s page says, too." : `Better: ${event.next_step}`));
  $("exercise").firstChild.focus();
}

/** From the first picture of the ticket to the release. */
export function took({ presentation, ms }) {
  if (told?.presentation === presentation) $("verdict-pace").textContent = `${Math.round(ms)} ms from sight to release`;
}

export function outcome(event) {
  if (told?.presentation !== event.presentation || told.verdict !== "admitted") return;
  if (event.outcome === "no_passage") {
    put({ style: "idle", big: "Nobody went through", next: sentence(event.detail) || "Locked again. The ticket is not used up: it works the next time." });
  } else if (event.outcome === "passage" && told.direction !== "exit" && !told.attention && !told.detail) {
    $("verdict-next").textContent = "Went through, locked again. Now the entry counts.";
  }
}

/** Nothing was decided about what was held up. */
export function nothing() {
  put({ style: "idle", big: "No ticket seen", next: "The camera saw nothing it takes for a ticket. Nothing is decided, nothing is recorded." });
}

export function evacuation(on) {
  $("exercise").hidden = true;
  put(on
    ? { style: "look", big: "Evacuation: the way out is open", next: "The fire contact opened the gate. No ticket and no network can close it." }
    : ready);
}

export function down() {
  $("exercise").hidden = true;
  put({ style: "look", big: "The plug was pulled", next: "The gate program was killed in the middle of its work. Watch: nobody has to do anything." });
}

export function up() {
  put({ ...ready, big: "Back again", next: "It started by itself, with everything it had written down." });
}
