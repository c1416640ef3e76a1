// A receiver of webhooks: checks the signature as https://www.standardwebhooks.com says, and prints what came.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = request.headers;
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest();
  const isGenuine = signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  console.log(`${isGenuine ? 'genuine' : 'FORGED '} ${id} ${body}`);
  response.writeHead(isGenuine ? 200 : 401).end(isGenuine ? 'thank you' : 'who are you?');
}).listen(9099, '127.0.0.1', () => console.log('receiver listens on 127.0.0.1:9099'));
