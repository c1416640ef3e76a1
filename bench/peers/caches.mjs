// The benches of `oxherd bench cache` that npm bentocache and cache-manager can run too: the same row, counts and keys, one
// call after the other. Prints the same JSON lines, with the peer's name.
// Arguments: REDIS_URL CALLS ENTRIES. Uses what `npm ci --prefix bench/peers` installs.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const { BentoCache, bentostore } = await import('bentocache');
const { memoryDriver } = await import('bentocache/drivers/memory');
const { redisDriver } = await import('bentocache/drivers/redis');
const { createCache } = await import('cache-manager');
const { default: Keyv } = await import('keyv');
const { default: KeyvRedis } = await import('@keyv/redis');
const IORedis = createRequire(import.meta.url)('ioredis');

const [url, callsText, entriesText] = process.argv.slice(2);
const calls = Number(callsText);
const entries = Number(entriesText);
const batch = 1000;
const row = (id) => ({
  id, name: `product ${id}`, category: id % 100, cents: 1290, is_sold: true,
  description: 'A thing that many ask for and few buy.',
});
const ttl = 3_600_000;

function report(peer, bench, times, each = 1, more = {}) {
  const sorted = times.map((ms) => (ms * 1e6) / each).sort((a, b) => a - b);
  const ns = sorted[sorted.length >> 1];
  console.log(JSON.stringify({ bench, peer, ...more, calls: times.length * each, ns: Math.round(ns), per_second: Math.round(1e9 / ns) }));
}

/** How long each of so many calls took, one after the other. */
async function times(count, call) {
  const seen = [];
  for (let number = 0; number < count; number++) {
    const began = performance.now();
    await call(number);
    seen.push(performance.now() - began);
  }
  return seen;
}

/** The same of batches: a look at the clock costs as much as a hit. */
const batches = (call) => times(Math.max(10, calls / 10), async () => {
  for (let number = 0; number < batch; number++) await call(number);
});

function there(value) {
  if (value === undefined || value === null) throw new Error('an entry of the bench was not there');
}
const unwanted = () => { throw new Error('a hit needs no load'); };

/** Reads that this process answers. */
async function hits(peer, tiered) {
  for (let id = 0; id < batch; id++) await tiered.set(String(id), row(id));
  report(peer, 'l1_get', await batches(async (id) => there(await tiered.get(String(id)))), batch);
  report(peer, 'get_or_load_hit', await batches(async (id) => there(await tiered.getOrLoad(String(id), unwanted))), batch);
}

/** What both have: such reads, a read of Redis alone beside a GET of the same bytes, a write of both tiers. */
async function common(peer, tiered, redisAlone, keyInRedis) {
  await hits(peer, tiered);
  await redisAlone.set('42', row(42));
  const key = keyInRedis('42');
  const bytes = await redis.strlen(key);
  const ours = [];
  const bare = [];
  for (let number = 0; number < calls; number++) {
    ours.push(...await times(1, async () => there(await redisAlone.get('42'))));
    bare.push(...await times(1, async () => there(await redis.get(key))));
  }
  report(peer, 'l2_get', ours, 1, { bytes });
  report(peer, 'bare_get', bare, 1, { bytes });
  report(peer, 'set', await times(calls, (id) => tiered.set(String(id), row(id))));
}

async function bentocache() {
  const connection = new IORedis(url);
  const maxItems = 200_000;
  const inRedis = (prefix) => redisDriver({ connection, prefix });
  const bento = new BentoCache({
    default: 'tiered',
    ttl,
    stores: {
      tiered: bentostore().useL1Layer(memoryDriver({ maxItems })).useL2Layer(inRedis('bento')),
      // Its memory keeps text unless told otherwise; so it hands out the object itself, as ours does.
      unserialized: bentostore().useL1Layer(memoryDriver({ maxItems, serialize: false })).useL2Layer(inRedis('bento-objects')),
      shared: bentostore().useL2Layer(inRedis('bento-shared')),
    },
  });
  const face = (cache) => ({
    get: (key) => cache.get({ key }),
    set: (key, value) => cache.set({ key, value }),
    getOrLoad: (key, factory) => cache.getOrSet({ key, factory }),
  });
  await common('bentocache', face(bento.use('tiered')), face(bento.use('shared')), (key) => `bento-shared:${key}`);
  await hits('bentocache, serialize: false', face(bento.use('unserialized')));
  for (let id = 0; id < entries; id += batch) {
    const some = Array.from({ length: Math.min(batch, entries - id) }, (_, at) => id + at);
    await Promise.all(some.map((number) => bento.set({ key: `tagged-${number}`, value: number, tags: ['shop-7'] })));
  }
  const tag = () => bento.deleteByTag({ tags: ['shop-7'] });
  report('bentocache', 'invalidate_tag', await times(101, tag), 1, { entries });
  await bento.disconnectAll();
}

async function cacheManager() {
  const shared = () => new Keyv({ store: new KeyvRedis(url), namespace: 'manager' });
  const face = (cache) => ({
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value, ttl),
    getOrLoad: (key, load) => cache.wrap(key, load, ttl),
  });
  const tiered = createCache({ stores: [new Keyv(), shared()] });
  const alone = createCache({ stores: [shared()] });
  // It names its keys in its own way; a GET of the longest of them is a GET of the entry.
  await alone.set('42', row(42), ttl);
  const [key] = (await redis.keys('*manager*42')).sort((a, b) => b.length - a.length);
  await common('cache-manager', face(tiered), face(alone), () => key);
  await tiered.disconnect();
  await alone.disconnect();
}

const redis = new IORedis(url);
await bentocache();
await cacheManager();
redis.disconnect();

