// Three signals told apart without seeing: yes rises, "look" knocks twice, no is low and long.
// Off until asked for: browsers want a click first, and so do people in an office.

const CUES = {
  good: [["sine", 880, 0, 0.09], ["sine", 1320, 0.11, 0.16]],
  attention: [["sine", 660, 0, 0.1], ["sine", 660, 0.16, 0.1], ["sine", 880, 0.32, 0.14]],
  bad: [["triangle", 233, 0, 0.22], ["triangle", 233, 0.3, 0.4]],
};

let audio = null;
let on = false;

/** Turn sound on or off; the answer is whether it is on now. */
export async function toggle() {
  on = !on;
  if (on) {
    audio = audio || new AudioContext();
    await audio.resume();
    play("good");
  }
  return on;
}

export function play(cue) {
  if (!on || !CUES[cue]) return;
  for (const [shape, pitch, after, length] of CUES[cue]) {
    const start = audio.currentTime + after;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.type = shape;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.4, start + 0.01);
    volume.gain.setValueAtTime(0.4, start + length - 0.03);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + length);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + length);
  }
}
