// Keys as they are stored, found by SCAN and read by type.
//
// The value is {"<key>": {type, pttl, value}}; `pttl` is null for a key that does not expire. A key that vanishes
// meanwhile is left out. It is not a snapshot: stop the workers first.

/** Every key that starts with one of the texts. */
export async function dump(client, starts) {
  const keys = new Set();
  for (const start of starts) {
    const pattern = `${start.replace(/[\\*?[\]]/g, '\\$&')}*`;
    for await (const batch of client.scanStream({ match: pattern, count: 200 })) {
      batch.forEach((key) => keys.add(key));
    }
  }
  const dumped = {};
  for (const key of [...keys].sort()) {
    const [type, pttl] = await Promise.all([client.type(key), client.pttl(key)]);
    if (type === 'none' || pttl === -2) continue;
    dumped[key] = { type, pttl: pttl < 0 ? null : pttl, value: await read[type](client, key) };
  }
  return dumped;
}

const read = {
  string: (client, key) => client.get(key),
  list: (client, key) => client.lrange(key, 0, -1),
  set: async (client, key) => (await client.smembers(key)).sort(),
  hash: (client, key) => client.hgetall(key),
  zset: async (client, key) => pairs(await client.zrange(key, 0, -1, 'WITHSCORES')),
  stream: async (client, key) => {
    const entries = await client.xrange(key, '-', '+');
    return entries.map(([, fields]) => pairs(fields).map(([field, value]) => ({ [field]: value })));
  },
};

function pairs(flat) {
  return flat.flatMap((item, at) => (at % 2 === 0 ? [[item, flat[at + 1]]] : []));
}
