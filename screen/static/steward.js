// The steward page: the last verdict first. Everything told is set as text, never as markup.
import { follow } from "./live.js";

const $ = (id) => document.getElementById(id);

/** An element with a class and children; a text child becomes a text node. */
function h(tag, style, ...children) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  element.append(...children.filter((child) => child !== "" && child !== null));
  return element;
}

const MARK = { admitted: "✓", refused: "✕" };
const SAID = { admitted: "Admitted", refused: "Refused" };
const FACE = {
  idle: "Ready", idle_exit: "Ready", checking: "Checking", admitted: "Open", goodbye: "Open",
  valid: "Valid", refused: "Refused", waiting: "Busy", closed: "Closed", free_flow: "Free flow",
  evacuation: "Evacuation", down: "Not heard", hold_still: "Half read", no_ticket: "No ticket",
};
const DIRECTION = { entry: "entry", exit: "exit", both: "entry and exit" };

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");
const mark = (verdict) => {
  const sign = h("span", `mark ${verdict}`, MARK[verdict]);
  sign.setAttribute("aria-hidden", "true");
  return sign;
};

function link(told) {
  $("link").hidden = told.up;
  document.body.classList.toggle("stale", !told.up);
  if (!told.up) {
    $("link").replaceChildren(
      h("p", "big", told.cause), h("p", "", `${told.remedy}.`), h("p", "", told.age || ""));
  }
}

function top(scan) {
  const place = $("top");
  if (!scan) {
    place.className = "quiet";
    place.replaceChildren(h("p", "big", "No scan yet"));
    return;
  }
  const look = scan.verdict === "admitted" && scan.attention ? "look" : scan.verdict;
  const looks = look === "look";
  const said = looks ? scan.attention : scan.reason || SAID[scan.verdict];
  place.className = scan.old ? "quiet" : look;
  place.replaceChildren(
    mark(scan.verdict),
    h("div", "told",
      h("p", "meta", scan.old ? "Last scan: " : "", h("strong", "", looks ? "Admitted, but look" : SAID[scan.verdict]),
        ` · ${scan.lane} · ${scan.at}`),
      h("p", "big", sentence(said)),
      scan.guest ? h("p", "guest", scan.guest) : "",
      scan.detail ? h("p", "detail", sentence(scan.detail)) : "",
      scan.attention && !looks ? h("p", "attention", `Look: ${scan.attention}`) : "",
      scan.next && !scan.old ? h("p", "next", scan.next) : ""));
}

function card(lane) {
  const last = lane.last;
  const element = h("article", `lane ${lane.face}`,
    h("h3", "", lane.name, h("span", "state", FACE[lane.face] || lane.state)),
    h("p", "meta",
      [DIRECTION[lane.direction] || lane.direction, lane.list && `list ${lane.list}`,
        lane.mode !== "normal" && `mode ${lane.mode.replaceAll("_", " ")}`]
        .filter(Boolean).join(" · ")),
    last
      ? h("p", `last ${last.verdict}`, mark(last.verdict),
        h("span", "", `${last.at} ${last.reason ? sentence(last.reason) : SAID[last.verdict]}`))
      : h("p", "last", "No scan yet"),
    h("dl", "counts",
      count("entered", lane.entered), count("left", lane.left),
      count("refused", lane.refused), count("last 10 min", lane.rate)));
  if (lane.sensor === "none") element.append(h("p", "reader", "No passage sensor"));
  else if (lane.sensor && lane.sensor !== "ok") {
    element.append(h("p", "reader warning", `Passage sensor in doubt: ${lane.sensor}`));
  }
  for (const reader of lane.readers) {
    const well = reader.endsWith(": ok");
    element.append(h("p", well ? "reader" : "reader warning", reader));
  }
  return element;
}

const count = (name, value) => h("div", "", h("dt", "", name), h("dd", "", String(value)));

function calls(all) {
  $("calls").hidden = all.length === 0;
  $("calls").replaceChildren(...all.map((alert) => h("div", "call",
    h("p", "cause", `${alert.lane ? `${alert.lane}: ` : ""}${sentence(alert.cause)}`),
    h("p", "", alert.remedy, h("span", "meta", ` ${alert.at}`)))));
}

function questions(all) {
  $("questions").hidden = all.length === 0;
  $("questions").replaceChildren(...all.map((asked) => h("div", "question",
    h("p", "big", `Did they go through? ${asked.lane}, ${asked.at}`),
    h("p", "", "Yes: nothing to do, the entry counts. No: have the supervisor run, on the gate:"),
    h("code", "", `admit lane annul ${asked.lane} ${asked.presentation}`))));
}

function faults(all) {
  $("faults").hidden = all.length === 0;
  $("faults").replaceChildren(...all.map((fault) => h("div", "fault",
    h("p", "cause", `${fault.where ? `${fault.where}: ` : ""}${sentence(fault.cause)}`),
    h("p", "", fault.remedy, fault.since ? h("span", "meta", ` Since ${fault.since}.`) : ""))));
}

function scans(all) {
  $("scans").replaceChildren(...all.map((scan) => h("li", scan.verdict,
    mark(scan.verdict),
    h("span", "time", scan.at),
    h("span", "what", scan.reason ? sentence(scan.reason) : SAID[scan.verdict],
      scan.attention ? h("span", "attention", ` Look: ${scan.attention}`) : "",
      scan.detail ? h("span", "meta", ` ${scan.detail}`) : ""),
    h("span", "meta", `${scan.lane}${scan.ticket ? ` …${scan.ticket}` : ""}`))));
}

function health(lines) {
  $("health").replaceChildren(...lines.map((line) =>
    h("li", line.well ? "well" : "warning", h("span", "mark", line.well ? "✓" : "!"), line.text)));
}

function alerts(all) {
  $("alerts-title").hidden = all.length === 0;
  $("alerts").replaceChildren(...all.map((alert) => h("li", "warning",
    `${alert.at} ${alert.lane} ${sentence(alert.cause)}. ${alert.remedy}`)));
}

function connected(up) {
  $("alive").textContent = up ? "Live" : "No connection";
  if (up) return;
  for (const name of document.querySelectorAll(".guest")) name.remove(); // nobody tells its end now
  link({ up: false, cause: "This page has lost its gate",
    remedy: "It reconnects by itself. Check the network, or look at the screen on the gate",
    age: "What stands below is old." });
  $("brief").hidden = true;
}

follow("/stream", {
  link, top, lanes: (all) => $("lanes").replaceChildren(...all.map(card)),
  calls, questions, faults, scans, health, alerts,
  brief: (told) => {
    $("brief").hidden = false;
    $("brief").className = told.well ? "well" : "warning";
    $("brief").textContent = told.well ? told.text : `! ${told.text}`;
  },
  beat: (time) => { $("clock").textContent = time; },
}, connected);
