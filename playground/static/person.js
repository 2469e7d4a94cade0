// The guest in the picture. A walk takes as long as its way; those who ask for calm see the ends.
import { $, calm } from "./dom.js";

const AWAY = -150;
const WAITS = 130;
const AT_READER = 270;
const AT_ARM = 566;
const THROUGH = 780;
const GONE = 1210;
const SPEED = 480; // units of the drawing a second

const person = $("person");
let at = AWAY;
let plan = 0; // each new plan ends the one before

const later = (seconds, act) => {
  const mine = plan;
  setTimeout(() => mine === plan && act(), calm() ? 0 : seconds * 1000);
};

function go(x, then = null, speed = SPEED) {
  const seconds = Math.abs(x - at) / speed;
  person.classList.toggle("turned", x < at);
  person.classList.add("walking");
  person.style.transition = `transform ${seconds}s linear`;
  person.style.transform = `translateX(${x}px)`;
  at = x;
  later(seconds, () => {
    person.classList.remove("walking");
    if (then) then();
    else person.classList.remove("turned");
  });
}

function jump(x) {
  person.style.transition = "none";
  person.style.transform = `translateX(${x}px)`;
  person.getBoundingClientRect(); // the jump is drawn before the next walk begins
  at = x;
}

const hold = (holding) => person.classList.toggle("holding", holding);

function next() {
  plan += 1;
  hold(false);
}

function queueUp() {
  jump(AWAY);
  go(WAITS);
}

/** A guest comes to the reader and holds the ticket up. */
export function enter() {
  next();
  if (at > AT_READER) jump(AWAY);
  hold(true);
  go(AT_READER, null, 2 * SPEED);
}

/** The turnstile is free: up to the arm. */
export function forward() {
  next();
  if (at <= AT_ARM) go(AT_ARM);
}

/** Through the arm and away; the next guest comes. */
export function pass() {
  next();
  go(THROUGH, () => go(GONE, queueUp));
}

/** Refused, or changed their mind. */
export function turnBack() {
  next();
  later(0.5, () => go(WAITS));
}

/** Evacuation: from the inside out. */
export function leave() {
  next();
  jump(GONE);
  go(AWAY);
}

/** Nobody yet; somebody comes. */
export function empty() {
  next();
  queueUp();
}
