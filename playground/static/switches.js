// The panel of troubles. Each control shows what the stage says it is, never what was clicked.
import { $, h } from "./dom.js";

/** Build the panel; `turn(id, value)` is called for each act. */
export function fill(switches, turn) {
  $("switch-list").replaceChildren(...switches.map((item) => BUILD[item.kind](item, turn)));
  for (const item of switches) set(item.id, item.value);
}

const told = (item) => (item.story ? h("p", { class: "story", id: `story-${item.id}` }, item.story) : null);
const about = (item) => (item.story ? `story-${item.id}` : null);

const BUILD = {
  toggle: (item, turn) => {
    const button = h("button", {
      type: "button", role: "switch", "aria-checked": "false", class: "toggle", "aria-describedby": about(item),
      onclick: () => turn(item.id, button.getAttribute("aria-checked") !== "true"),
    }, h("span", { class: "label" }, item.label), h("span", { class: "track", "aria-hidden": "true" }));
    return row(item, button, told(item));
  },
  press: (item, turn) => row(item,
    h("button", { type: "button", class: "press", "aria-describedby": about(item), onclick: () => turn(item.id) }, item.label),
    told(item)),
  choice: (item, turn) => row(item, h("fieldset", { "aria-describedby": about(item) },
    h("legend", {}, item.label),
    h("div", { class: "options" }, ...item.options.map((option) => h("label", { class: "chip" },
      choice(item, option, turn), h("span", {}, option.label))))), told(item)),
};

const row = (item, ...children) => h("div", { class: "switch", "data-switch": item.id }, ...children.filter(Boolean));

function choice(item, option, turn) {
  const input = h("input", { type: "radio", name: `switch-${item.id}`, value: option.id });
  input.addEventListener("change", () => turn(item.id, option.id));
  return input;
}

/** Show the value a switch has now. */
export function set(id, value) {
  const place = document.querySelector(`[data-switch="${CSS.escape(id)}"]`);
  if (!place) return;
  place.classList.toggle("on", value === true || (typeof value === "string" && value !== standard(place)));
  place.querySelector(".toggle")?.setAttribute("aria-checked", String(value === true));
  for (const input of place.querySelectorAll("input")) input.checked = input.value === value;
}

const standard = (place) => place.querySelector("input")?.value;

/** While the stage works on it a switch cannot be pressed again. */
export function busy(id, on) {
  const place = document.querySelector(`[data-switch="${CSS.escape(id)}"]`);
  place?.classList.toggle("busy", on);
  place?.setAttribute("aria-busy", String(on));
}
