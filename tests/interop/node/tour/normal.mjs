// Values without what differs from run to run.
//
// A time of this run becomes `T`, one that lies ahead or behind `T+60m` (to ten minutes, so a busy machine changes
// nothing); a full hour on another day is one that a schedule named, and is kept. Times far from now were given by the tour and are
// kept; how long it is until then is not. UUIDs are numbered as they appear, stack traces lose all but their first line, JSON text is read, and the
// order of an object's fields does not count.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NEAR = 400 * DAY;
/** A delayed job's score is its time times this, plus a place among those of the same millisecond. */
const SLOTS = 4096;

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const ENTRY = /(?<!\d)\d{13}-\d+(?!\d)/g;
/** A marker may have a fraction of one, the place of its job among those of the same millisecond. */
const MILLISECONDS = /(?<!\d)\d{13}(\.\d{1,4})?(?!\d)/g;
const SCORE = /(?<!\d)\d{16}(?!\d)/g;

export class Normal {
  #began = Date.now();
  #uuids = new Map();

  value(value) {
    if (value === undefined || value === null) return null;
    if (value instanceof Error) return { error: `${value.name}: ${this.#text(value.message)}` };
    if (typeof value === 'number') return this.#number(value);
    if (typeof value === 'string') return this.#stringOrJson(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value === 'object') return this.#object(value);
    return value;
  }

  /** A dump of keys. */
  keys(dumped) {
    const shown = {};
    for (const [key, { type, pttl, value }] of Object.entries(dumped)) {
      let content = key.endsWith(':lock') ? 'TOKEN' : this.value(value);
      if (type === 'zset') content = content.map(([member, score]) => `${member} = ${score}`).sort();
      if (type === 'stream') content = content.map((entry) => line(entry));
      add(
        shown,
        this.#text(key),
        pttl === null ? { [type]: content } : { [type]: content, ttl: decade(pttl) },
      );
    }
    return shown;
  }

  #object(value) {
    const shown = {};
    for (const name of Object.keys(value).sort()) {
      const item = value[name];
      if (item === undefined || typeof item === 'function') continue;
      add(shown, this.#text(name), name === 'delay' ? this.#delay(item) : this.value(item));
    }
    return shown;
  }

  /** A delay that was given as a time has lost the milliseconds that passed meanwhile. */
  #delay(delay) {
    const length = Number(delay);
    if (Number.isNaN(length) || this.#isNear(length)) return this.value(delay);
    if (length > DAY) return 'more than a day';
    const given = Math.ceil(length / (10 * MINUTE)) * 10;
    return given * MINUTE - length < MINUTE && given > 0 ? `${given}m` : this.value(delay);
  }

  #stringOrJson(text) {
    if (/^[[{]/.test(text)) {
      try {
        return { json: this.value(JSON.parse(text)) };
      } catch {
        // Not JSON after all.
      }
    }
    return this.#text(text);
  }

  #text(text) {
    return text
      .replace(/\n +at [^]*$/, '')
      .replace(UUID, (uuid) => this.#uuid(uuid))
      .replace(ENTRY, 'ENTRY')
      .replace(SCORE, (digits) => this.#number(Number(digits)))
      .replace(MILLISECONDS, (digits) => this.#number(Number(digits)));
  }

  #uuid(uuid) {
    if (!this.#uuids.has(uuid)) this.#uuids.set(uuid, `uuid-${this.#uuids.size + 1}`);
    return this.#uuids.get(uuid);
  }

  #number(number) {
    if (this.#isNear(number)) return this.#time(number);
    const due = number / SLOTS;
    return this.#isNear(due) ? `${this.#time(Math.floor(due))} (score)` : number;
  }

  #isNear(number) {
    return Math.abs(number - this.#began) < NEAR;
  }

  #time(time) {
    if (time % (15 * MINUTE) === 0 && Math.abs(time - this.#began) > DAY) return new Date(time).toISOString();
    const minutes = Math.round((time - this.#began) / (10 * MINUTE)) * 10;
    if (minutes === 0) return 'T';
    return minutes > 0 ? `T+${minutes}m` : `T-${-minutes}m`;
  }
}

// Two names may become one; both values stay.
function add(shown, name, value) {
  let free = name;
  for (let n = 2; Object.hasOwn(shown, free); n += 1) free = `${name} #${n}`;
  shown[free] = value;
}

function decade(ms) {
  for (let limit = 100; ; limit *= 10) if (ms <= limit) return `≤ ${limit} ms`;
}

function line(entry) {
  return entry
    .map((field) => Object.entries(field)[0])
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
