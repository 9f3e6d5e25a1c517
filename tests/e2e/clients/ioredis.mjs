// ioredis, as a backend would use it.
import { ca, expect, heard, insist, load, ports, run, say, token } from "./common.mjs";

const Redis = load("ioredis");
const ask = async (client, ...words) => JSON.parse(await client.call(...words));

function connect(port, options = {}) {
  const client = new Redis(port, "127.0.0.1", options);
  client.on("error", () => {}); // it reconnects by itself, and says so each time it fails
  return client;
}

async function authenticate() {
  const client = connect(ports.first, { username: "app", password: token });
  expect((await client.call("ACL", "WHOAMI")) === "app", "AUTH user token");
  client.disconnect();
  const alone = connect(ports.first, { password: token });
  expect((await alone.call("ACL", "WHOAMI")) === "app", "AUTH token");
  alone.disconnect();
  const wrong = connect(ports.first, { password: "wrong", retryStrategy: null });
  const error = await new Promise((resolve) => wrong.on("error", resolve));
  expect(/^WRONGPASS/.test(error.message), "AUTH with a wrong token", error.message);
  wrong.disconnect();
}

run(async () => {
  const client = connect(ports.first);
  const subscriber = connect(ports.first);
  const messages = [];
  expect((await client.ping()) === "PONG", "PING");
  expect((await ask(client, "START", "io", "i1")).state === "up", "START");
  subscriber.on("message", (channel, text) => messages.push(text));
  await subscriber.subscribe("session:io-room");
  expect((await ask(client, "ENTER", "io-room", "c1", "io", "i1")).joined === true, "ENTER");
  await heard(messages, "c1");
  await client.call("NOSUCH").then(
    () => expect(false, "an unknown command"),
    (error) => expect(error.name === "ReplyError", "an unknown command", error),
  );

  const pipeline = client.pipeline();
  for (let i = 0; i < 10000; i++) pipeline.call("ISMEMBER", "io-room", i % 2 ? "c1" : "none");
  const replies = await pipeline.exec();
  expect(
    replies.length === 10000 && replies.every(([error, n], i) => !error && n === i % 2),
    "10,000 in a pipeline",
  );
  await authenticate();

  say("restart");
  await new Promise((resolve) => client.once("close", resolve));
  const back = await insist("the daemon to be back", () => ask(client, "HEARTBEAT", "io", "i1"));
  expect(back.state === "up", "HEARTBEAT after the restart", back);
  // The subscription comes back by itself too, but nobody says when.
  await insist("the subscriptions", async () => {
    expect((await subscriber.call("PING"))[0] === "pong", "subscribed");
  });
  expect((await ask(client, "ENTER", "io-room", "c2", "io", "i1")).joined === true, "ENTER");
  await heard(messages, "c2");

  say("kill");
  await new Promise((resolve) => client.once("close", resolve));
  client.disconnect();
  subscriber.disconnect();
  const other = connect(ports.second);
  expect((await ask(other, "HEARTBEAT", "io", "i1")).state === "up", "HEARTBEAT elsewhere");
  expect((await other.call("ISMEMBER", "io-room", "c1")) === 1, "ISMEMBER elsewhere");

  const secure = connect(ports.tls, { tls: { ca } });
  expect((await secure.call("ISMEMBER", "io-room", "c1")) === 1, "ISMEMBER with TLS");
  await secure.quit();
  await ask(other, "STOP", "io", "i1");
  await other.quit();
});
