// node-redis, once with RESP2 as is its default, and with RESP3: requests and pushes on one socket.
import { ca, expect, heard, insist, load, ports, run, say, token } from "./common.mjs";

const { createClient } = load("redis");
const ask = async (client, ...words) => JSON.parse(await client.sendCommand(words));

async function connect(port, options = {}) {
  const client = createClient({ ...options, socket: { host: "127.0.0.1", port, ...options.socket } });
  client.on("error", () => {}); // it reconnects by itself, and says so each time it fails
  await client.connect();
  return client;
}

async function authenticate(RESP) {
  const client = await connect(ports.first, { RESP, username: "app", password: token });
  expect((await client.sendCommand(["ACL", "WHOAMI"])) === "app", "user and token");
  client.destroy();
  const alone = await connect(ports.first, { RESP, password: token });
  expect((await alone.sendCommand(["ACL", "WHOAMI"])) === "app", "token");
  alone.destroy();
  const wrong = createClient({
    RESP,
    password: "wrong",
    socket: { host: "127.0.0.1", port: ports.first, reconnectStrategy: false },
  });
  wrong.on("error", () => {});
  await wrong.connect().then(
    () => expect(false, "a wrong token"),
    (error) => expect(/^WRONGPASS/.test(error.message), "a wrong token", error.message),
  );
}

async function pipeline(client, room) {
  const replies = await Promise.all(
    Array.from({ length: 10000 }, (_, i) =>
      client.sendCommand(["ISMEMBER", room, i % 2 ? "c1" : "none"]),
    ),
  );
  expect(replies.every((n, i) => n === i % 2), "10,000 in a pipeline");
}

run(async () => {
  const client = await connect(ports.first);
  const three = await connect(ports.first, { RESP: 3 });
  const messages = [];
  expect((await client.ping()) === "PONG", "PING");
  expect((await ask(client, "START", "nr", "i1")).state === "up", "START");
  await three.subscribe("session:nr-room", (text) => messages.push(text));
  expect((await ask(three, "ENTER", "nr-room", "c1", "nr", "i1")).joined === true, "ENTER");
  await heard(messages, "c1");
  await pipeline(client, "nr-room");
  await pipeline(three, "nr-room");
  await authenticate(2);
  await authenticate(3);

  const ended = new Promise((resolve) => client.once("reconnecting", resolve));
  const threeEnded = new Promise((resolve) => three.once("reconnecting", resolve));
  say("restart");
  await Promise.all([ended, threeEnded]);
  const back = await insist("the daemon to be back", () => ask(client, "HEARTBEAT", "nr", "i1"));
  expect(back.state === "up", "HEARTBEAT after the restart", back);
  // By itself it subscribes anew before it sends anything else.
  await insist("the other client", () => three.ping());
  expect((await ask(client, "ENTER", "nr-room", "c2", "nr", "i1")).joined === true, "ENTER");
  await heard(messages, "c2");

  const killed = new Promise((resolve) => client.once("reconnecting", resolve));
  say("kill");
  await killed;
  client.destroy();
  three.destroy();
  const other = await connect(ports.second);
  expect((await ask(other, "HEARTBEAT", "nr", "i1")).state === "up", "HEARTBEAT elsewhere");
  expect((await other.sendCommand(["ISMEMBER", "nr-room", "c1"])) === 1, "ISMEMBER elsewhere");

  const secure = await connect(ports.tls, { RESP: 3, socket: { tls: true, ca } });
  expect((await secure.sendCommand(["ISMEMBER", "nr-room", "c1"])) === 1, "ISMEMBER with TLS");
  await secure.close();
  await ask(other, "STOP", "nr", "i1");
  await other.close();
});
