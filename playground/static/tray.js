// The tray: one card a ticket. A click shows it; where the stage has a card of it, it can be tapped.
import { $, h } from "./dom.js";
import { picture } from "./api.js";

/** Fill the tray. A card that is there already stays where it is, and so do focus and scroll. */
export function fill(tickets, onShow, onTap) {
  for (const ticket of tickets) {
    const card = document.querySelector(`[data-card="${CSS.escape(ticket.id)}"]`) || build(ticket, onShow, onTap);
    const source = picture(ticket.id, "none", 112, ticket.turn);
    const image = card.querySelector("img");
    if (image.getAttribute("src") !== source) image.src = source;
    card.querySelector(".label").textContent = ticket.label;
    card.querySelector(".story").textContent = ticket.story;
    card.querySelector(".tap").hidden = !ticket.media.includes("tap");
    if (!card.isConnected) $("cards").append(card);
  }
}

function build(ticket, onShow, onTap) {
  const show = h("button", { type: "button", class: "card", "data-ticket": ticket.id, onclick: () => onShow(ticket.id) },
    h("img", { alt: "", width: 52, height: 52 }),
    h("span", { class: "what" }, h("span", { class: "label" }), h("span", { class: "story" })));
  const tap = h("button", { type: "button", class: "tap", "data-tap": ticket.id, hidden: true,
    title: "Tap it as a card", "aria-label": `Tap as a card: ${ticket.label}`, onclick: () => onTap(ticket.id) }, waves());
  return h("li", { "data-card": ticket.id }, show, tap);
}

/** The sign of a contactless card. */
function waves() {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  for (const arc of ["M7 9q2 3 0 6", "M11 7q3.4 5 0 10", "M15 5q5 7 0 14"]) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", arc);
    drawing.append(path);
  }
  return drawing;
}

/** Mark the ticket in hand. */
export function pick(id) {
  for (const card of document.querySelectorAll(".card")) {
    card.classList.toggle("picked", card.dataset.ticket === id);
  }
}
