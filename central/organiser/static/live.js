// Renews the parts of a page that are marked data-live, by asking for the page itself once more.
// A document that is fetched this way runs no scripts, and nothing is written as HTML.
"use strict";
const EVERY = 3000;
let held = false;
addEventListener("pointerdown", () => { held = true; });
addEventListener("pointerup", () => { setTimeout(() => { held = false; }, 300); });
addEventListener("pointercancel", () => { held = false; });

function renew() {
  if (held || document.hidden) return;
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.setRequestHeader("X-Live", "1");
  request.responseType = "document";
  request.timeout = 10000;
  request.onload = () => {
    const fresh = request.response;
    const same = request.responseURL === location.href;
    document.body.classList.toggle("lost", !(request.status === 200 && same && fresh));
    if (request.status === 200 && same && fresh && !held) for (const old of document.querySelectorAll("[data-live]")) swap(old, fresh.getElementById(old.id));
  };
  request.onerror = request.ontimeout = () => { document.body.classList.add("lost"); };
  request.send();
}

function swap(old, fresh) {
  // Not what somebody is just using: a press or an opened detail would be lost.
  if (!fresh || old.contains(document.activeElement) || old.querySelector("details[open]")) return;
  if (!old.isEqualNode(fresh)) old.replaceWith(document.adoptNode(fresh));
}

if (document.querySelector("[data-live]")) setInterval(renew, EVERY);
