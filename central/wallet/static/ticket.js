// The live code of a ticket: AD2, `AD2:` and Base45 of a COSE_Sign1 by this phone over {time, ticket}.
// Source: docs/wallet.md; RFC 9052, section 4; RFC 9285.

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const PROTECTED = Uint8Array.of(0xa1, 0x01, 0x27);
const SIGNATURE1 = Uint8Array.of(0x84, 0x6a, ...new TextEncoder().encode("Signature1"), 0x43, ...PROTECTED, 0x40);

/** A key of this phone that cannot leave it, or null: this browser has none that a gate could check. */
export async function newKey() {
  try {
    const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    const words = new TextEncoder().encode("a trial");
    const signature = await crypto.subtle.sign("Ed25519", pair.privateKey, words);
    const holds = await crypto.subtle.verify("Ed25519", pair.publicKey, signature, words);
    return holds && signature.byteLength === 64 && !pair.privateKey.extractable ? pair : null;
  } catch {
    return null;
  }
}

/** The public half of a key in hex, and its signature over what the server asks. */
export async function proofOf(pair, event) {
  const key = hex(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const asked = new TextEncoder().encode(`admit-wallet\n${event}\n${key}`);
  return { key, proof: hex(new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, asked))) };
}

/** The text of the code of `ticket` (bytes) at `drawnAt` (Unix seconds, whole). */
export async function liveCode(pair, ticket, drawnAt) {
  const time = new Uint8Array(4);
  new DataView(time.buffer).setUint32(0, drawnAt);
  const payload = byteString(Uint8Array.of(0xa2, 0x06, 0x1a, ...time, 0x3a, 0x00, 0x01, 0x00, 0x01, ...byteString(ticket)));
  const signed = Uint8Array.of(...SIGNATURE1, ...payload);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, signed));
  return "AD2:" + base45(Uint8Array.of(0xd2, 0x84, 0x43, ...PROTECTED, 0xa0, ...payload, 0x58, 0x40, ...signature));
}

/** The text of a ticket that is shown as it is. */
export const copyableCode = (ticket) => "AD1:" + base45(ticket);

function byteString(bytes) {
  const size = bytes.length;
  const head = size < 24 ? [0x40 + size] : size < 256 ? [0x58, size] : [0x59, size >> 8, size & 255];
  return Uint8Array.of(...head, ...bytes);
}

function base45(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    let value = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    for (let digit = 0; digit < (pair ? 3 : 2); digit++, value = Math.floor(value / 45)) text += ALPHABET[value % 45];
  }
  return text;
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
