// Keeps the page for when there is no network: all of its files together, of one version, and nothing else.
// A test says what VERSION has to be: it names what is in the files.
const VERSION = "559b1434282f73b1";
const FILES = ["./", "icon.svg", "keep.js", "qr.js", "ticket.js", "wallet.css", "wallet.js", "words.js"];
const NAME = `admit-wallet-${VERSION}`;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("admit-wallet-") && name !== NAME;
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))).then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  event.respondWith(caches.open(NAME).then((cache) => cache.match(event.request, { ignoreSearch: true })).then((found) => found ?? fetch(event.request)));
});
