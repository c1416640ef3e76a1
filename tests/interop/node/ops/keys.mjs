// `dump`: every key that starts with "prefix" (literally, e.g. "bull:mail:"), with its whole content.
//
// The value is {"<key>": {type, pttl, value}}, keys in order. `pttl` is null for a key that does not expire.
//   string: text     list: [text]     set: [text], sorted     hash: {field: text}
//   zset: [[member, score]] by score     stream: [{id, fields: [name, text, …]}], field order kept
// A key that vanishes while the dump runs is left out. It is not a snapshot: stop the workers first.

import { need } from '../resources.mjs';

export const operations = {
  dump: async (command, resources) => {
    const prefix = need(command, 'prefix');
    const client = resources.client();
    const dumped = {};
    for (const key of await keysUnder(client, prefix)) {
      const content = await contentOf(client, key);
      if (content) {
        dumped[key] = content;
      }
    }
    return dumped;
  },
};

async function keysUnder(client, prefix) {
  const found = new Set();
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
  for await (const batch of client.scanStream({ match: pattern, count: 500 })) {
    batch.forEach((key) => found.add(key));
  }
  return [...found].sort();
}

async function contentOf(client, key) {
  const [type, pttl] = await Promise.all([client.type(key), client.pttl(key)]);
  if (type === 'none' || pttl === -2) {
    return null;
  }
  const read = readers[type];
  if (!read) {
    throw new TypeError(`dump cannot show ${key} of type ${type}`);
  }
  const value = await read(client, key);
  return value === null ? null : { type, pttl: pttl < 0 ? null : pttl, value };
}

const readers = {
  string: (client, key) => client.get(key),
  list: (client, key) => client.lrange(key, 0, -1),
  set: async (client, key) => (await client.smembers(key)).sort(),
  hash: (client, key) => client.hgetall(key),
  zset: async (client, key) => {
    const flat = await client.zrange(key, 0, -1, 'WITHSCORES');
    return flat.flatMap((member, at) => (at % 2 === 0 ? [[member, Number(flat[at + 1])]] : []));
  },
  stream: async (client, key) => (await client.xrange(key, '-', '+')).map(([id, fields]) => ({ id, fields })),
};
