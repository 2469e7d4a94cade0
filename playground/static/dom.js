// Elements as text and nodes only: nothing told by the gate becomes markup.

export const $ = (id) => document.getElementById(id);

/** An element with attributes (null and false are left out) and children; text stays text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
