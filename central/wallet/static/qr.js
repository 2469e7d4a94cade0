// QR codes in the one way the wallet needs them: alphanumeric mode, ECC level M, versions 1 to 12, mask 3.
// A signature looks random, so that no mask is better than another, and weighing all eight takes longer than the rest.
// Source: ISO/IEC 18004:2015; tables 7 (capacity), 9 (blocks), E.1 (alignment), annexes C and D (format, version).

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const MASK = 3;
// By version: check bytes of each block, then the data bytes of each block.
const BLOCKS = [
  null, [10, 16], [16, 28], [26, 44], [18, 32, 32], [24, 43, 43], [16, 27, 27, 27, 27], [18, 31, 31, 31, 31],
  [22, 38, 38, 39, 39], [22, 36, 36, 36, 37, 37], [26, 43, 43, 43, 43, 44], [30, 50, 51, 51, 51, 51],
  [22, 36, 36, 36, 36, 36, 36, 37, 37],
];
const ALIGNMENT = [
  null, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50], [6, 30, 54], [6, 32, 58],
];

/** The modules of the code of `text`: rows of booleans, true is dark; without the quiet zone.
 *  Throws a RangeError for another character than the 45, or a text too long for version 12. */
export function qrCode(text) {
  const values = Array.from(text, (character) => ALPHABET.indexOf(character));
  if (values.includes(-1)) throw new RangeError("a character that alphanumeric mode has not");
  const version = smallest(values.length);
  const grid = new Grid(version);
  grid.fill(interleaved(version, dataBytes(version, values)));
  return grid.rows();
}

const countBits = (version) => (version < 10 ? 9 : 11);
const capacity = (version) => BLOCKS[version].slice(1).reduce((sum, size) => sum + size, 0);

function smallest(length) {
  const bits = Math.floor(length / 2) * 11 + (length % 2) * 6;
  for (let version = 1; version < BLOCKS.length; version++) if (4 + countBits(version) + bits <= 8 * capacity(version)) return version;
  throw new RangeError("longer than a code of version 12 holds");
}

function dataBytes(version, values) {
  const bits = [];
  const put = (value, width) => { for (let bit = width - 1; bit >= 0; bit--) bits.push((value >> bit) & 1); };
  put(0b0010, 4);
  put(values.length, countBits(version));
  for (let at = 0; at + 1 < values.length; at += 2) put(values[at] * 45 + values[at + 1], 11);
  if (values.length % 2) put(values[values.length - 1], 6);
  const room = 8 * capacity(version);
  put(0, Math.min(4, room - bits.length));
  put(0, -bits.length & 7);
  for (let pad = 0xec; bits.length < room; pad ^= 0xec ^ 0x11) put(pad, 8);
  const bytes = [];
  for (let at = 0; at < room; at += 8) bytes.push(bits.slice(at, at + 8).reduce((byte, bit) => byte * 2 + bit, 0));
  return bytes;
}

function interleaved(version, data) {
  const [check, ...sizes] = BLOCKS[version];
  let at = 0;
  const blocks = sizes.map((size) => data.slice(at, (at += size)));
  const checks = blocks.map((block) => remainder(block, check));
  const longest = Math.max(...sizes);
  const out = [];
  for (let place = 0; place < longest; place++) for (const block of blocks) if (place < block.length) out.push(block[place]);
  for (let place = 0; place < check; place++) for (const block of checks) out.push(block[place]);
  return out;
}

// Reed-Solomon over GF(256), x^8 + x^4 + x^3 + x^2 + 1.
const EXP = new Uint8Array(510), LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  value = value & 0x80 ? (value << 1) ^ 0x11d : value << 1;
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function generator(degree) {
  let factors = [1];
  for (let power = 0; power < degree; power++) {
    const next = [...factors, 0];
    factors.forEach((factor, place) => { next[place + 1] ^= times(factor, EXP[power]); });
    factors = next;
  }
  return factors;
}

function remainder(block, degree) {
  const factors = generator(degree), rest = [...block, ...new Array(degree).fill(0)];
  for (let at = 0; at < block.length; at++) {
    const lead = rest[at];
    for (let place = 0; lead && place <= degree; place++) rest[at + place] ^= times(factors[place], lead);
  }
  return rest.slice(block.length);
}

class Grid {
  constructor(version) {
    this.size = 17 + 4 * version;
    this.dark = new Uint8Array(this.size * this.size);
    this.taken = new Uint8Array(this.size * this.size);
    this._finders();
    this._alignment(ALIGNMENT[version]);
    this._timing();
    this._format();
    if (version >= 7) this._version(version);
  }

  _set(row, column, dark) {
    this.dark[row * this.size + column] = dark ? 1 : 0;
    this.taken[row * this.size + column] = 1;
  }

  _square(row, column, radius, isDark) {
    for (let down = -radius; down <= radius; down++) for (let across = -radius; across <= radius; across++) {
      const inside = [row + down, column + across].every((place) => place >= 0 && place < this.size);
      if (inside) this._set(row + down, column + across, isDark(Math.max(Math.abs(down), Math.abs(across))));
    }
  }

  _finders() {
    for (const [row, column] of [[3, 3], [3, this.size - 4], [this.size - 4, 3]]) this._square(row, column, 4, (ring) => ring !== 2 && ring !== 4);
  }

  _alignment(centres) {
    const last = centres[centres.length - 1];
    for (const row of centres) for (const column of centres) {
      const atFinder = (row === 6 && (column === 6 || column === last)) || (row === last && column === 6);
      if (!atFinder) this._square(row, column, 2, (ring) => ring !== 1);
    }
  }

  _timing() {
    for (let at = 8; at < this.size - 8; at++) {
      this._set(6, at, at % 2 === 0);
      this._set(at, 6, at % 2 === 0);
    }
  }

  _format() {
    const bits = ((MASK << 10) | divided(MASK << 10, 0x537, 10)) ^ 0x5412; // level M is 00
    const dark = (bit) => (bits >> bit) & 1;
    for (let bit = 0; bit < 15; bit++) {
      const along = bit < 6 ? bit : bit < 8 ? bit + 1 : this.size - 15 + bit;
      const across = bit < 8 ? this.size - 1 - bit : bit === 8 ? 7 : 14 - bit;
      this._set(along, 8, dark(bit));
      this._set(8, across, dark(bit));
    }
    this._set(this.size - 8, 8, true);
  }

  _version(version) {
    const bits = (version << 12) | divided(version << 12, 0x1f25, 12);
    for (let bit = 0; bit < 18; bit++) {
      const row = Math.floor(bit / 3), column = this.size - 11 + (bit % 3);
      this._set(row, column, (bits >> bit) & 1);
      this._set(column, row, (bits >> bit) & 1);
    }
  }

  /** Put the code words into what is free, two columns at a time, up and down, masked. */
  fill(bytes) {
    let bit = 0;
    for (let right = this.size - 1, up = true; right > 0; right -= 2, up = !up) {
      if (right === 6) right = 5;
      for (let step = 0; step < this.size; step++) {
        const row = up ? this.size - 1 - step : step;
        for (const column of [right, right - 1]) {
          if (this.taken[row * this.size + column]) continue;
          const value = bit < 8 * bytes.length ? (bytes[bit >> 3] >> (7 - (bit & 7))) & 1 : 0;
          this._set(row, column, value ^ ((row + column) % 3 === 0));
          bit++;
        }
      }
    }
  }

  rows() {
    return Array.from({ length: this.size }, (_, row) => Array.from(this.dark.subarray(row * this.size, (row + 1) * this.size), Boolean));
  }
}

/** What is left of `value` after division by a polynomial over GF(2) of this degree. */
function divided(value, polynomial, degree) {
  for (let bit = 31 - Math.clz32(value); bit >= degree; bit--) if ((value >> bit) & 1) value ^= polynomial << (bit - degree);
  return value;
}
