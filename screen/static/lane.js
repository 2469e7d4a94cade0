// The attendee page: one face at a time. Everything told is set as text, never as markup.
import { follow } from "./live.js";

const body = document.body;
const told = body.dataset;
const word = document.getElementById("word");
const hint = document.getElementById("hint");
const main = document.querySelector("main");
const words = document.querySelector(".words");
const lost = document.getElementById("lost");
const button = document.getElementById("sound");
const YES = ["admitted", "goodbye", "valid"];

let audio = null;
let lastCue = "";
let live = false; // false until the first face: what happened before is not sounded

// The largest type that fits: words are never broken, a broken word is not read in passing.
function fit() {
  let [small, large] = [8, 2 * Math.max(innerWidth, innerHeight)];
  while (large - small > 1) {
    const size = (small + large) / 2;
    words.style.fontSize = `${size}px`;
    const fits = words.scrollWidth <= words.clientWidth && main.scrollHeight <= main.clientHeight;
    if (fits) small = size;
    else large = size;
  }
  words.style.fontSize = `${small}px`;
}

function draw(face) {
  told.face = face.face;
  word.textContent = face.word;
  hint.textContent = face.hint;
  fit();
}

function show(face) {
  draw(face);
  if (live && face.cue && face.cue !== lastCue) sound(YES.includes(face.face));
  if (face.cue) lastCue = face.cue;
  live = true;
}

function connected(up) {
  lost.hidden = up;
  fit();
  if (up) return;
  live = false;
  draw({ face: "down", word: told.down, hint: told.hint });
}

// Yes rises, no is low and long: told apart without seeing, and by rhythm without pitch.
function sound(yes) {
  if (!audio || audio.state !== "running") return;
  const tones = yes ? [[880, 0, 0.09], [1320, 0.11, 0.16]] : [[233, 0, 0.22], [233, 0.3, 0.4]];
  for (const [pitch, after, length] of tones) {
    const start = audio.currentTime + after;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.type = yes ? "sine" : "triangle";
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.6, start + 0.01);
    volume.gain.setValueAtTime(0.6, start + length - 0.03);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + length);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + length);
  }
}

function startSound() {
  audio = audio || new AudioContext();
  audio.resume().then(() => {
    button.hidden = true;
  });
}

// Browsers allow sound after a touch only; a kiosk is started with the flag that lifts this
// (--autoplay-policy=no-user-gesture-required) and opened with ?kiosk=1.
if (told.kiosk === "1") startSound();
else button.hidden = false;
document.addEventListener("pointerdown", startSound);
document.addEventListener("keydown", startSound);

addEventListener("resize", fit);
const query = new URLSearchParams({ lane: told.lane, lang: told.language });
follow(`/stream?${query}`, { face: show }, connected);
