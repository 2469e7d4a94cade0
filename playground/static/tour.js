// The guided tour: ten steps that go on when the thing itself has happened, never on a timer.
import { $, calm } from "./dom.js";

/**
 * Whether what is wanted has happened. A condition names an event and facts of it: a text, one of
 * several, or {"not": text}; `with` names switches as they must stand.
 */
export function met(wanted, name, data, switches) {
  const { event, with: standing = {}, ...facts } = wanted;
  if (event && event !== name) return false;
  return Object.entries(standing).every(([id, value]) => switches.get(id) === value)
    && Object.entries(facts).every(([key, value]) => fits(value, data?.[key]));
}

function fits(wanted, told) {
  if (Array.isArray(wanted)) return wanted.includes(told);
  if (wanted !== null && typeof wanted === "object") return told !== wanted.not;
  return told === wanted;
}

/** One walk through the steps. `switches` is the live map of what each switch is. */
export class Tour {
  constructor(steps, switches) {
    this.steps = steps;
    this.switches = switches;
    this.step = -1; // not on the way
    this.part = 0;
  }

  start() {
    this.go(0, "");
    $("tour-title").setAttribute("tabindex", "-1");
    $("tour-title").focus();
  }

  /** Told of everything that happens. */
  heard(name, data) {
    if (this.step < 0 || this.step >= this.steps.length) return;
    const step = this.steps[this.step];
    if (!met(step.parts[this.part].until, name, data, this.switches)) return;
    this.part += 1;
    if (this.part === step.parts.length) this.go(this.step + 1, step.done);
    else this.settle();
  }

  skip() {
    this.go(this.step + 1, "");
  }

  end() {
    this.step = -1;
    document.body.dataset.tour = "off";
    $("tour").hidden = true;
    this.point(null);
  }

  go(number, done) {
    this.step = number;
    this.part = 0;
    document.body.dataset.tour = number < this.steps.length ? String(number + 1) : "end";
    this.draw(done);
    this.settle();
  }

  /** A part that only wants a switch to stand as it stands already is done. */
  settle() {
    const parts = this.steps[this.step]?.parts || [];
    while (this.part < parts.length - 1 && !parts[this.part].until.event
      && met(parts[this.part].until, "", null, this.switches)) this.part += 1;
    $("tour").dataset.part = this.part;
    this.point(parts[this.part]?.at || null);
  }

  draw(done) {
    const total = this.steps.length;
    const step = this.steps[this.step] || null;
    $("tour").hidden = false;
    $("tour").classList.toggle("over", step === null);
    $("tour-step").textContent = step ? `Step ${this.step + 1} of ${total}` : "The tour is over";
    $("tour-progress").max = total;
    $("tour-progress").value = this.step;
    $("tour-done").hidden = !done;
    $("tour-done").textContent = done;
    $("tour-title").textContent = step ? step.title : "That was a whole evening in three minutes.";
    $("tour-click").textContent = step ? step.click : "Any ticket, any switch: play on. In training mode the gate asks you first.";
    $("tour-watch").textContent = step ? step.watch : "The steward’s and the organiser’s pages, linked at the top, tell the same story.";
    $("tour-why").textContent = step ? step.why : "A gate that you have seen fail, and go on, is one that you can plan an event with.";
    $("tour-target").hidden = $("tour-skip").hidden = step === null;
    $("tour-end").textContent = step ? "End tour" : "Close";
  }

  /** Lead the eye to what is to be clicked. */
  point(at) {
    for (const old of document.querySelectorAll(".pointed")) old.classList.remove("pointed");
    const target = at && document.querySelector(at);
    if (!target) return;
    target.classList.add("pointed");
    target.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /** Lead the keyboard there, too. */
  focusTarget() {
    const target = document.querySelector(".pointed");
    const control = target?.matches("button") ? target : target?.querySelector("button, input:not(:checked), input");
    (control || target)?.focus();
  }
}
