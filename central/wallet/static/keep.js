// What this phone keeps, in IndexedDB: a ticket with its key, by the secret of its link. The key is kept as an object
// that signs; its bytes are never to be had, not even by this page.

const open = () => new Promise((resolve, reject) => {
  const request = indexedDB.open("admit-wallet", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("tickets", { keyPath: "link" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function ask(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const turn = database.transaction("tickets", mode, { durability: "strict" });
      const request = work(turn.objectStore("tickets"));
      turn.oncomplete = () => resolve(request.result);
      turn.onabort = turn.onerror = () => reject(turn.error);
    });
  } finally {
    database.close();
  }
}

export const kept = (link) => ask("readonly", (store) => store.get(link));
export const allKept = () => ask("readonly", (store) => store.getAll());
export const keep = (ticket) => ask("readwrite", (store) => store.put(ticket));
export const forget = (link) => ask("readwrite", (store) => store.delete(link));
