// Relay (from version 6.4 on): messages between processes, with patterns, retained values and inboxes.

export async function play(stage) {
  const { Relay } = stage.bullmq;
  if (!Relay) return;
  const open = (nodeId, more = {}) =>
    stage.opened(
      new Relay({
        connection: stage.connection(),
        prefix: stage.prefix,
        namespace: 'farm',
        nodeId,
        name: nodeId,
        sweepInterval: 60_000,
        blockTimeout: 200,
        ...more,
      }),
    );
  const [ann, bob] = [await open('ann'), await open('bob')];
  const heard = [];
  // Ids of messages rise; what they are is the server's time.
  const mids = [];
  const publish = async (relay, ...message) => {
    const { mid, ...rest } = await relay.publish(...message);
    mids.push(BigInt(mid));
    return rest;
  };
  const hear = (who, pattern) => (message) =>
    heard.push([who, pattern, message.topic, message.data, message.retained]);
  const until = (count) => stage.until(`${count} messages`, () => heard.length >= count);

  await stage.tell('retained before anybody listens', () =>
    publish(ann, 'weather.today', { sun: true }, { retain: 3_600_000 }),
  );
  const all = await ann.subscribe('weather.>', hear('ann', 'weather.>'));
  await bob.subscribe('weather.*', hear('bob', 'weather.*'));
  await bob.subscribe('weather.today', hear('bob', 'weather.today'));
  await until(1);
  await bob.subscribe('news.local', hear('bob', 'news.local'));
  await stage.tell('to both', () => publish(ann, 'weather.tomorrow', 'rain'));
  await until(3);
  await stage.tell('to one', () => publish(bob, 'news.local', [1, 2, 3]));
  await until(4);
  await stage.tell('to nobody', () => publish(bob, 'nobody.listens', null));
  stage.note(
    'heard',
    [...heard].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  );
  await stage.tell('counts', () => ann.getCounts());
  await stage.tell('patterns', async () =>
    (await ann.getPatterns()).sort((a, b) => (a.pattern < b.pattern ? -1 : 1)),
  );
  await stage.tell('subscriptions of bob', async () =>
    (await ann.getSubscriptions({ nodeId: 'bob' })).map(({ nodeId, pattern }) => [nodeId, pattern]).sort(),
  );
  await stage.tell('subscriptions of a pattern', async () =>
    (await ann.getSubscriptions({ pattern: 'weather.*' })).map(({ nodeId, pattern }) => [nodeId, pattern]),
  );
  await stage.tell('nodes', async () =>
    (await ann.getNodes())
      .map(({ id, dropped, subscriptions, info }) => [id, dropped, subscriptions, info.name])
      .sort(),
  );
  await stage.tell('retained', async () =>
    (await ann.getRetained()).map(({ mid, ...rest }) => [rest, mids.includes(BigInt(mid))]),
  );
  await stage.tell('namespaces', () => ann.getNamespaces());
  await stage.tell('connections', async () => (await ann.getNodeConnections('bob')).length > 0);
  await stage.tell('forgotten', async () => [
    await ann.deleteRetained('weather.today'),
    await ann.deleteRetained('weather.today'),
    await ann.getCounts(),
  ]);
  await stage.tell('unsubscribed', async () => [
    (await all.unsubscribe()) ?? null,
    await publish(bob, 'weather.later', 1),
  ]);
  for (const topic of ['', 'a..b', 'a.*', '>'])
    await stage.tell(`refused: topic "${topic}"`, () => publish(ann, topic, 1));
  await stage.tell('refused: a pattern', async () => (await ann.subscribe('>.a', () => {})).pattern);
  stage.note(
    'ids rise',
    mids.every((mid, at) => at === 0 || mid > mids[at - 1]),
  );
  await ann.close();
  await stage.tell('one left', () => bob.getCounts());
  await bob.close();
  await stage.tell('keys at the end', async () => (await stage.client.keys(`${stage.prefix}:*`)).sort());
}
