// The wallet page: which of its few states holds, what is said and drawn then. What is kept is shown at once, network or not;
// the server is asked afterwards, and its word counts more.
import { copyableCode, liveCode, newKey, proofOf } from "./ticket.js";
import { allKept, forget, keep, kept } from "./keep.js";
import { qrCode } from "./qr.js";
import { language, word } from "./words.js";

const REDRAW = 3000, ASK_AGAIN = 300_000, PATIENCE = 8000, QUIET = 4, WORTH_A_WORD = 5;
const at = (id) => document.getElementById(id);
let turn = 0; // rises with every change of what is shown: what was begun for another is given up
let timers = [];

// -- what is said --------------------------------------------------------------------------------

function fresh() {
  turn++;
  timers.forEach(clearInterval);
  timers = [];
  for (const id of ["code", "help", "do", "rather"]) at(id).hidden = true;
  document.body.classList.remove("bad");
  return turn;
}

function head(title, id) {
  at("title").textContent = document.title = title || word("unnamed");
  at("about").textContent = id ? `${word("ticket")} ${id}` : "";
}

/** Say something instead of the code; each button is [word, what it does]. */
function say(name, values = {}, buttons = [], bad = true) {
  fresh();
  at("word").hidden = false;
  at("say").textContent = word(name, values);
  at("then").textContent = name === "loading" ? "" : word(`${name}Then`, values);
  document.body.classList.toggle("bad", bad);
  buttons.forEach(([text, work], place) => {
    const button = at(place ? "rather" : "do");
    button.textContent = word(text);
    button.hidden = button.disabled = false;
    button.onclick = () => { button.disabled = true; work(); };
  });
}

const time = (seconds) => new Date(seconds * 1000).toLocaleString(navigator.language, { dateStyle: "short", timeStyle: "short" });

// -- the server ----------------------------------------------------------------------------------

class Refused extends Error {}

async function ask(call, body) {
  const sent = Date.now();
  const answer = await fetch(call, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout?.(PATIENCE),
  });
  const told = await answer.json();
  if (!answer.ok) throw answer.status < 500 && answer.status !== 408 ? new Refused(told.error) : new Error(told.error);
  const received = Date.now();
  // As long as the answer took, nobody knows when on its way the server looked at its clock.
  told.offset = received - sent < 4000 ? told.now - (sent + received) / 2000 : null;
  return told;
}

const REASONS = { no_such_link: "no_such_link", cancelled: "cancelled", not_signed: "replaced", too_often: "too_often", doors_open: "stays", entered: "stays", body_malformed: "no_such_link" };

function failed(error, again) {
  if (error instanceof Refused && REASONS[error.message]) say(REASONS[error.message]);
  else if (error instanceof Refused && error.message === "proof_refused") old(again.link, null);
  else say("offline", {}, [["again", start]]);
}

// -- states --------------------------------------------------------------------------------------

async function start() {
  const link = location.hash.slice(1);
  say("loading", {}, [], false);
  const mine = turn;
  const all = await allKept().catch(() => []);
  if (mine !== turn) return;
  if (!link && all.length) return location.replace(`#${all[0].link}`);
  others(all, link);
  head("", "");
  if (!link) return say("no_such_link");
  const ticket = all.find((one) => one.link === link && one.ticket);
  if (ticket) show(ticket);
  await compare(link);
}

/** Ask the server how things stand, and show that. */
async function compare(link) {
  const begun = turn;
  let told;
  try {
    told = await ask("ticket", { link });
  } catch (error) {
    const has = (await kept(link).catch(() => null))?.ticket;
    if (begun === turn && !(has && !(error instanceof Refused))) failed(error, { link });
    return;
  }
  const mine = await kept(link).catch(() => null);
  if (begun !== turn || link !== location.hash.slice(1)) return;
  head(told.title, told.id);
  const here = mine && mine.key === told.key;
  if (told.cancelled) say("cancelled");
  else if (here && mine.ticket) {
    if (told.offset !== null) mine.offset = told.offset;
    Object.assign(mine, { title: told.title, id: told.id });
    await keep(mine);
    show(mine);
    if (mine.issuer !== told.issuer) await renew(mine, told);
  } else if (here && mine.pair) await bind(link, told); // the answer was lost
  else await offer(link, told, mine);
}

async function offer(link, told, mine) {
  const when = { time: told.moved === null ? "" : time(told.moved) };
  const was = mine?.ticket;
  if (was) await forget(link);
  if (told.stays) return was ? say("gone", when) : stays(link, told);
  const able = await newKey();
  if (!able && !was) return old(link, told);
  const buttons = able ? [[told.key || was ? "moveHere" : "moveDo", () => bind(link, told)]] : [];
  say(was ? "gone" : told.key ? "elsewhere" : "move", when, buttons, Boolean(was));
}

/** Another key signs tickets now: get this one signed by that. Without an answer it stays as it is. */
async function renew({ link, pair, key }, told) {
  const begun = turn;
  try {
    const signed = pair ? ask("bind", { link, ...(await proofOf(pair, told.event)) }) : ask("copyable", { link });
    const answer = await signed;
    if (begun === turn) await take(link, pair, key, answer);
  } catch { /* asked again with the next look */ }
}

function stays(link, told) {
  say("stays", {}, told.key ? [] : [["oldDo", () => copyable(link)]]);
  if (told.key) at("then").textContent = word("staysElsewhere");
}

/** A picture is all there is to be had here; `name` says why. It takes the ticket from the phone that has it. */
function old(link, told, name = "old") {
  say(name, {}, [["oldDo", () => copyable(link)]]);
  if (told?.key) at("then").textContent += ` ${word("elsewhere")} ${word("elsewhereThen", { time: time(told.moved) })}`;
}

/** One window at a time: two would make a key each, and one of them lose the ticket to the other. */
function bind(link, told) {
  return navigator.locks ? navigator.locks.request(link, () => bindAlone(link, told)) : bindAlone(link, told);
}

async function bindAlone(link, told) {
  let pair, proven;
  try {
    pair = (await kept(link))?.pair ?? (await newKey());
    proven = await proofOf(pair, told.event);
    // Before the server moves it: should its answer get lost, this phone still has the key.
    await keep({ link, pair, key: proven.key, title: told.title, id: told.id, offset: told.offset ?? 0 });
  } catch {
    return old(link, told, "unkept"); // a private window, or a full phone
  }
  try {
    navigator.storage?.persist?.();
    await take(link, pair, proven.key, await ask("bind", { link, ...proven }));
  } catch (error) {
    failed(error, { link });
  }
}

async function copyable(link) {
  try {
    await take(link, null, "", await ask("copyable", { link }));
  } catch (error) {
    failed(error, { link });
  }
}

async function take(link, pair, key, told) {
  const ticket = Uint8Array.from(atob(told.ticket), (character) => character.charCodeAt(0));
  const mine = { link, pair, key, ticket, issuer: told.issuer, title: told.title, id: told.id, offset: told.offset ?? 0 };
  await keep(mine).catch(() => {}); // a browser without storage shows it until the page is closed
  others(await allKept().catch(() => []), link);
  show(mine);
}

// -- the code ------------------------------------------------------------------------------------

function show(mine) {
  const begun = fresh();
  head(mine.title, mine.id);
  at("code").hidden = false;
  at("word").hidden = !(mine.pair && Math.abs(mine.offset) >= WORTH_A_WORD);
  at("say").textContent = "";
  at("then").textContent = word(mine.offset < 0 ? "fast" : "slow", { seconds: Math.round(Math.abs(mine.offset)) });
  at("use").textContent = word(mine.pair ? "use" : "copy");
  at("clock").hidden = at("beat").hidden = !mine.pair;
  at("qr").setAttribute("aria-label", word("ticket"));
  if (!mine.pair) return paint(qrCode(copyableCode(mine.ticket)));
  at("help").hidden = false;
  at("ask").textContent = word("ask");
  at("answer").textContent = word("answer");
  const now = () => Date.now() / 1000 + mine.offset;
  let latest = 0;
  const redraw = async () => {
    if (document.hidden) return;
    latest = Math.max(latest, Math.floor(now())); // a code that counts less than the last would be a copy of it
    const text = await liveCode(mine.pair, mine.ticket, latest);
    if (begun !== turn) return;
    paint(qrCode(text));
    at("beat").firstElementChild.animate([{ transform: "scaleX(1)" }, { transform: "scaleX(0)" }], { duration: REDRAW, fill: "forwards" });
  };
  const tick = () => { at("clock").textContent = new Date(now() * 1000).toLocaleTimeString(navigator.language); };
  redraw();
  tick();
  timers = [setInterval(redraw, REDRAW), setInterval(tick, 250), setInterval(() => compare(mine.link), ASK_AGAIN)];
  document.onvisibilitychange = () => { if (!document.hidden && begun === turn) { redraw(); awake(); } };
  awake();
}

function paint(rows) {
  const size = rows.length + 2 * QUIET, canvas = at("qr"), dense = devicePixelRatio || 1;
  const room = Math.min(document.documentElement.clientWidth, innerHeight * 0.62, 600) * dense;
  const module = Math.max(1, Math.floor(room / size));
  canvas.width = canvas.height = module * size;
  canvas.style.width = canvas.style.height = `${canvas.width / dense}px`;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  rows.forEach((row, down) => row.forEach((dark, across) => {
    if (dark) pen.fillRect((across + QUIET) * module, (down + QUIET) * module, module, module);
  }));
}

const awake = () => { navigator.wakeLock?.request("screen").catch(() => {}); }; // a favour, not a need

function others(all, link) {
  const list = all.filter((one) => one.ticket);
  at("others").hidden = list.length < 2;
  at("others").textContent = word("others");
  for (const one of list) {
    const way = at("others").appendChild(document.createElement("a"));
    way.href = `#${one.link}`;
    way.textContent = `${one.title} ${one.id}`;
    if (one.link === link) way.setAttribute("aria-current", "page");
  }
}

// -- the beginning -------------------------------------------------------------------------------

function keepPage() {
  const name = "sw.js";
  const rule = window.trustedTypes?.createPolicy("wallet", { createScriptURL: (url) => { if (url !== name) throw new TypeError(url); return url; } });
  navigator.serviceWorker?.register(rule ? rule.createScriptURL(name) : name).catch(() => {}); // without it: online alone
}

document.documentElement.lang = language;
addEventListener("hashchange", start);
addEventListener("online", () => { if (location.hash.length > 1) compare(location.hash.slice(1)); });
keepPage();
start();
